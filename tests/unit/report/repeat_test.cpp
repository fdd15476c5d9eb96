#include "report/repeat.h"

#include <doctest/doctest.h>

#include <sstream>

#include "report/characters.h"

using namespace strop;

namespace {

Metric metric(const std::string& name, const std::string& unit, double value, double low = 0,
              double high = 0) {
  Metric out{.metric = name, .unit = unit, .value = value, .samples = 10};
  if (high > low) out.interval = Interval{low, high};
  return out;
}

LockFile lock_file() {
  LockFile lock{.tool_version = "0.1.0", .run_id = "r1", .date = "2026-01-15T10:12:00Z"};
  lock.machine.emplace().os = "linux";
  lock.data = {{"model", "/m", std::string(64, 'a')}, {"evaluation", "/e", std::string(64, 'b')}};
  lock.workers = {{"llama_cpp", "0.5", std::string(64, 'c')}};
  PinnedTrial trial{.id = "t1"};
  trial.recipe.backend = "llama_cpp";
  trial.recipe.name = "q8_0";
  trial.files = {{"model.gguf", 10, std::string(64, 'd')}};
  trial.numbers = {metric("speedup", "ratio", 2, 1.9, 2.1),
                   metric("request_time", "s", 1, 0.98, 1.02), metric("peak_memory", "bytes", 1e8),
                   metric("kl_mean", "nats", 0.01, 0.009, 0.011)};
  lock.trials = {trial};
  return lock;
}

Sameness of(const Repeat& repeat, const std::string& number) {
  for (const NumberChange& change : repeat.numbers)
    if (change.number == number) return change.sameness;
  return Sameness::same;
}

}  // namespace

TEST_CASE("the same again is repeated") {
  const Repeat repeat = repeat_of(lock_file(), lock_file());
  CHECK(repeat.repeated);
  CHECK(repeat.compared == 5);
  CHECK(repeat.inputs.empty());
  CHECK(repeat.numbers.empty());
}

TEST_CASE("a number changed when the intervals do not meet") {
  LockFile now = lock_file();
  auto& numbers = now.trials[0].numbers;
  SUBCASE("they meet") {
    numbers[0] = metric("speedup", "ratio", 2.3, 2.05, 2.5);
    CHECK(repeat_of(lock_file(), now).repeated);
  }
  SUBCASE("they do not") {
    numbers[0] = metric("speedup", "ratio", 2.3, 2.2, 2.5);
    const Repeat repeat = repeat_of(lock_file(), now);
    CHECK(of(repeat, "speedup") == Sameness::changed);
    CHECK_FALSE(repeat.repeated);
  }
  SUBCASE("a time only moved") {
    numbers[1] = metric("request_time", "s", 2, 1.9, 2.1);
    const Repeat repeat = repeat_of(lock_file(), now);
    CHECK(of(repeat, "request_time") == Sameness::moved);
    CHECK(repeat.repeated);
  }
  SUBCASE("noisy tells nothing") {
    numbers[3] = metric("kl_mean", "nats", 0.5, 0.4, 0.6);
    numbers[3].noisy = true;
    CHECK(of(repeat_of(lock_file(), now), "kl_mean") == Sameness::noisy);
  }
  SUBCASE("some pages of memory are no change, a fifth is") {
    numbers[2].value = 1.01e8;
    CHECK(repeat_of(lock_file(), now).repeated);
    numbers[2].value = 1.2e8;
    CHECK(of(repeat_of(lock_file(), now), "peak_memory") == Sameness::changed);
  }
  SUBCASE("missing counts, new does not") {
    numbers[3].metric = "kl_p99";
    const Repeat repeat = repeat_of(lock_file(), now);
    CHECK(of(repeat, "kl_mean") == Sameness::missing);
    CHECK(of(repeat, "kl_p99") == Sameness::added);
    CHECK_FALSE(repeat.repeated);
  }
  SUBCASE("a whole trial that is missing") {
    now.trials.clear();
    CHECK(repeat_of(lock_file(), now).numbers.size() == 5);
  }
}

TEST_CASE("each input that differs is named") {
  const auto only = [](const auto& change) {
    LockFile now = lock_file();
    change(now);
    const Repeat repeat = repeat_of(lock_file(), now);
    CHECK_FALSE(repeat.repeated);
    REQUIRE(repeat.inputs.size() == 1);
    return repeat.inputs[0].what;
  };
  CHECK(only([](LockFile& l) { l.tool_version = "0.2.0"; }) == "strop");
  CHECK(only([](LockFile& l) { l.data[0].sha256 = "x"; }) == "model");
  CHECK(only([](LockFile& l) { l.data.pop_back(); }) == "evaluation");
  CHECK(only([](LockFile& l) { l.workers[0].version = "0.6"; }) == "worker llama_cpp");
  CHECK(only([](LockFile& l) { l.workers[0].sha256 = "x"; }) == "worker llama_cpp");
  CHECK(only([](LockFile& l) { l.machine->arch = "arm64"; }) == "machine");
  LockFile other = lock_file();
  other.trials[0].files[0].sha256 = "x";
  CHECK(of(repeat_of(lock_file(), other), "file model.gguf") == Sameness::changed);
}

TEST_CASE("the text of a repeat fits and names what changed") {
  LockFile now = lock_file();
  now.trials[0].numbers[0] = metric("speedup", "ratio", 1, 0.9, 1.1);
  now.trials[0].recipe.name = std::string(200, 'x');
  now.workers[0].version = std::string(300, 'y') + "\x1b[2J";
  for (const std::size_t width : {80U, 100U}) {
    const std::string text = repeat_text(repeat_of(lock_file(), now), {width, false, false});
    CHECK(text.find("speedup") != std::string::npos);
    CHECK(text.find("changed") != std::string::npos);
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) CHECK(display_width(line) <= width);
    CHECK(text.find('\x1b') == std::string::npos);
  }
}
