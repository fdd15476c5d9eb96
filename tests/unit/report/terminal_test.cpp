#include "report/terminal.h"

#include <doctest/doctest.h>

#include <sstream>

#include "report/characters.h"
#include "report/figures.h"
#include "sample.h"

using namespace strop;

namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::vector<std::string> lines(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

std::size_t line_with(const std::string& text, std::string_view part) {
  const auto all = lines(text);
  for (std::size_t i = 0; i < all.size(); ++i)
    if (has(all[i], part)) return i;
  return all.size();
}

}  // namespace

TEST_CASE("no line is wider than the terminal") {
  for (const std::size_t width : {80U, 100U, 160U})
    for (const bool unicode : {false, true})
      for (const Report& report : {sample::report(), sample::tensor_report(),
                                   sample::hostile_report(), sample::empty_report()})
        for (const std::string& line : lines(terminal_table(report, {width, false, unicode})))
          CHECK_MESSAGE(display_width(line) <= width, line);
}

TEST_CASE("a gate's name is left out only where its line has no room") {
  std::size_t spelled = 0, shortened = 0;
  for (std::size_t width = 80; width <= 160; ++width) {
    for (std::string line : lines(terminal_table(sample::report(), {width, false, false}))) {
      line.erase(line.find_last_not_of(' ') + 1);
      if (line.ends_with("accuracy,speed") || line.ends_with("speed,memory")) ++spelled;
      const std::size_t saved = line.ends_with("accuracy+1") ? 4
                                : line.ends_with("speed+1")  ? 5
                                                             : 0;
      if (saved == 0) continue;
      ++shortened;
      CHECK_MESSAGE(display_width(line) + saved > width, line);
    }
  }
  CHECK(spelled > 0);
  CHECK(shortened > 0);
}

TEST_CASE("plain output is ASCII without escape sequences") {
  for (const Report& report : {sample::report(), sample::hostile_report()})
    for (const char c : terminal_table(report, {100, false, false}))
      CHECK((c == '\n' || (c >= ' ' && c <= '~')));
}

TEST_CASE("hostile names bring no escape sequence into coloured output") {
  const std::string text = terminal_table(sample::hostile_report(), {100, true, true});
  CHECK_FALSE(has(text, "\x1b[2J"));
  CHECK_FALSE(has(text, "\x9b"));
}

TEST_CASE("colour changes no text") {
  std::string coloured = terminal_table(sample::report(), {100, true, true});
  while (coloured.find('\x1b') != std::string::npos) {
    const std::size_t begin = coloured.find('\x1b');
    coloured.erase(begin, coloured.find('m', begin) - begin + 1);
  }
  const auto plain = lines(terminal_table(sample::report(), {100, false, true}));
  const auto stripped = lines(coloured);
  REQUIRE(stripped.size() == plain.size());
  for (std::size_t i = 0; i < plain.size(); ++i) CHECK(stripped[i].starts_with(plain[i]));
}

TEST_CASE("baseline comes first, then the reference, then the recommended artifact") {
  const std::string text = terminal_table(sample::report(), {100, false, false});
  CHECK(line_with(text, "baseline") < line_with(text, "reference"));
  CHECK(line_with(text, "reference") < line_with(text, "* llama_cpp  q8_0 flash_q8"));
  CHECK(line_with(text, "* llama_cpp  q8_0 flash_q8") < line_with(text, "o llama_cpp  q4_0"));
}

TEST_CASE("a failed gate is told with its reason") {
  const std::string text = terminal_table(sample::report(), {100, false, false});
  CHECK(has(text, "2/3 memory"));
  CHECK(has(text, "fail: memory is 0.62 of the baseline, asked is at most 0.5"));
}

TEST_CASE("noise is never a number, absence never zero") {
  const Report report = sample::report();
  const std::string text = terminal_table(report, {100, false, false});
  const std::string row = lines(text)[line_with(text, "o openvino   q8_0")];
  for (const Metric& part : report.trials[6].measurement->metrics) {
    if (part.metric != "time_to_first_token") continue;
    REQUIRE(part.noisy);
    CHECK(has(row, noisy_text(quantity(part))));
    CHECK_FALSE(has(row, " " + value_text(quantity(part))));
  }
  CHECK(has(text, "decode latency p99, energy"));
}

TEST_CASE("what led to no row is told with its reason, presets in one line") {
  const std::string text = terminal_table(sample::report(), {100, false, false});
  CHECK(has(text, "llama_cpp iq4_nl: the worker convert died"));
  CHECK(has(text, "q8_0 (default, no_flash): slower than flash_q8"));
  CHECK(has(text, "mlx: needs Apple hardware"));
}

TEST_CASE("control, confinement and the unquantised comparison are always there") {
  const std::string text = terminal_table(sample::report(), {100, false, false});
  CHECK(has(text, "A/A request_time 1.00 (0.99-1.01), 12 pairs, contains 1, the widest of 2"));
  CHECK(has(text, "no network, read-only file system, seccomp"));
  CHECK(has(text, "against the fastest unquantised artifact, llama_cpp bf16"));
}

TEST_CASE("an empty run says that nothing was measured") {
  const std::string text = terminal_table(sample::empty_report(), {100, false, false});
  CHECK(has(text, "No artifact was measured."));
  CHECK(has(text, "Recommended   none"));
}

TEST_CASE("a model of tensors is read by its inferences") {
  const std::string table = terminal_table(sample::tensor_report(), {.width = 100});
  for (const char* words : {"inference", "throughput", "312 /s at 8", "one request = 20 inferences",
                            "[1, 3, 224, 224]"})
    CHECK(table.find(words) != std::string::npos);
  CHECK(table.find("token") == std::string::npos);
  CHECK(table.find("KL") == std::string::npos);
}

TEST_CASE("what other frameworks make of an artifact is one line for each artifact") {
  const std::string table = terminal_table(sample::tensor_report(), {.width = 160});
  CHECK(table.find("Opened by") != std::string::npos);
  CHECK(table.find("openvino 1.50 (farther than its precision explains)") != std::string::npos);
  CHECK(table.find("does not open gguf") == std::string::npos);
  CHECK(terminal_table(sample::report(), {.width = 100}).find("Opened by") == std::string::npos);
}
