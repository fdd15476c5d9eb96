#include "report/side_by_side.h"
#include <algorithm>

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "report/characters.h"
#include "report/milestones.h"
#include "sample.h"

using namespace strop;

namespace {

Report faster() {
  Report report = sample::report();
  report.goal.budget.wall_seconds = 900;
  for (Trial& trial : report.trials)
    if (trial.recipe.name == "q4_0") trial.status = TrialStatus::failed;
  return report;
}

}  // namespace

TEST_CASE("every artifact that one run measured is a row with one cell per run") {
  const SideBySide sides = sides_of({{"a", sample::report()}, {"b", faster()}});
  REQUIRE(sides.runs.size() == 2);
  REQUIRE(sides.rows.size() == 7);
  for (const SideRow& row : sides.rows) CHECK(row.cells.size() == 2);
  const SideRow* q4 = nullptr;
  for (const SideRow& row : sides.rows)
    if (row.artifact == "llama_cpp q4_0") q4 = &row;
  REQUIRE(q4);
  CHECK(q4->cells[0].speedup);
  CHECK_FALSE(q4->cells[1].speedup);
  CHECK(q4->cells[1].status == "failed");
  CHECK(sides.runs[0].recommended == "llama_cpp q8_0 flash_q8");
}

TEST_CASE("what must not be compared is said") {
  const auto notes = sides_of({{"a", sample::report()}, {"b", faster()}}).notes;
  const auto says = [&](const char* words) {
    return std::any_of(notes.begin(), notes.end(), [&](const std::string& note) {
      return note.find(words) != std::string::npos;
    });
  };
  CHECK(says("budgets differ"));
  CHECK_FALSE(says("models differ"));
  CHECK(says("own run's baseline"));
}

TEST_CASE("runs of the same name are told apart") {
  const auto runs = sides_of({{"out", sample::report()}, {"out", faster()}}).runs;
  CHECK(runs[0].name != runs[1].name);
}

TEST_CASE("no line of the tables is wider than the terminal, whatever the names") {
  for (const std::size_t width : {80U, 100U})
    for (const std::size_t count : {2U, 3U, 5U}) {
      std::vector<NamedReport> runs(count, {"laptop-of-somebody", sample::report()});
      runs.back().report = sample::hostile_report();
      const std::string text = sides_text(sides_of(runs), {width, false, false});
      std::istringstream lines(text);
      for (std::string line; std::getline(lines, line);)
        CHECK_MESSAGE(display_width(line) <= width, line);
      CHECK(text.find('\x1b') == std::string::npos);
    }
}

TEST_CASE("each step says whose figures it shows, or why there are none") {
  const auto steps = milestones(sample::report());
  REQUIRE(steps.size() == 5);
  CHECK(steps[0].trial_id == "llama_cpp-bf16-default");
  CHECK(steps[1].trial_id.empty());
  CHECK(steps[1].text.find("baseline's own format") != std::string::npos);
  CHECK_FALSE(steps[2].speedup);  // it was timed with other run options only
  CHECK(steps[2].accuracy);
  CHECK(steps[3].speedup);
  CHECK(steps[3].text.find("slower than flash_q8") != std::string::npos);
  CHECK(steps[4].text.find("2 of 3 required gates pass") != std::string::npos);
  Report none = sample::report();
  none.front.reset();
  CHECK(milestones(none).empty());
}
