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

TEST_CASE("what a number is made of says whether another value is a change") {
  const auto again = [](const Metric& before, double value) {
    LockFile first = lock_file(), now = lock_file();
    first.trials[0].numbers.push_back(before);
    now.trials[0].numbers.push_back(before);
    now.trials[0].numbers.back().value = value;
    return of(repeat_of(first, now), before.metric);
  };
  SUBCASE("times, rates and energy move") {
    CHECK(again(metric("soak_seconds", "s", 1), 1.5) == Sameness::moved);
    CHECK(again(metric("request_latency_p50", "ms", 1), 1.5) == Sameness::moved);
    CHECK(again(metric("decode_rate", "tokens/s", 1), 1.5) == Sameness::moved);
    CHECK(again(metric("batch_throughput", "samples/s", 1), 1.5) == Sameness::moved);
    CHECK(again(metric("request_rate", "requests/s", 1), 1.5) == Sameness::moved);
    CHECK(again(metric("energy_per_inference", "J", 1), 1.5) == Sameness::moved);
  }
  SUBCASE("so does what is made of times, in whatever unit") {
    for (const char* name :
         {"inter_token_variation", "inference_variation", "stress_slowdown", "soak_latency_growth"})
      CHECK(again(metric(name, "ratio", 0.1), 0.11) == Sameness::moved);
    CHECK(again(metric("ab_test", "error", 0.01), 0.02) == Sameness::moved);
  }
  SUBCASE("quality and counts are equal or changed") {
    CHECK(again(metric("cosine_worst", "ratio", 0.99), 0.99) == Sameness::same);
    CHECK(again(metric("cosine_worst", "ratio", 0.99), 0.9900001) == Sameness::changed);
    CHECK(again(metric("kl_store_error", "nats", 1e-4), 1.1e-4) == Sameness::changed);
    CHECK(again(metric("stress_errors", "requests", 0), 1) == Sameness::changed);
    CHECK(again(metric("security_findings", "findings", 0), 1) == Sameness::changed);
  }
  SUBCASE("memory has some pages of play, also where it is a share or a small part") {
    CHECK(again(metric("soak_memory_growth", "ratio", 0.001), 0.015) == Sameness::same);
    CHECK(again(metric("soak_memory_growth", "ratio", 0.001), 0.05) == Sameness::changed);
    CHECK(again(metric("peak_memory_shared", "bytes", 0), 4096 * 100) == Sameness::same);
    CHECK(again(metric("peak_memory_shared", "bytes", 0), 5e6) == Sameness::changed);
  }
}

TEST_CASE("numbers that are there by the clock's leave are missed by nobody") {
  LockFile first = lock_file(), now = lock_file();
  SUBCASE("a percentile of too few requests, a batch that was not tried") {
    first.trials[0].numbers.push_back(metric("inter_token_latency_p99", "ms", 9));
    first.trials[0].numbers.push_back(metric("batch_throughput", "samples/s", 90));
    first.trials[0].numbers.back().context.batch = 64u;
    const Repeat repeat = repeat_of(first, now);
    CHECK(of(repeat, "inter_token_latency_p99") == Sameness::missing);
    CHECK(of(repeat, "batch_throughput at batch 64") == Sameness::missing);
    CHECK(repeat.repeated);
  }
  SUBCASE("another number of inferences in a request is the same figure") {
    for (LockFile* lock : {&first, &now})
      for (Metric& number : lock->trials[0].numbers)
        number.context.inferences = lock == &first ? 7u : 8u;
    CHECK(repeat_of(first, now).numbers.empty());
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
