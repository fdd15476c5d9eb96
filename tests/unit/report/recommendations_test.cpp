#include "report/recommendations.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "sample.h"

using namespace strop;

namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string all(const Report& report) {
  std::string out;
  for (const Recommendation& item : recommendations(report))
    out += item.title + "\n" + item.text + "\n";
  return out;
}

}  // namespace

TEST_CASE("an artifact with an open gate is not ready to ship") {
  CHECK(has(all(sample::report()), "Best candidate, not yet ready: llama_cpp q8_0 flash_q8"));
  CHECK(has(all(sample::report()), "Settle the open gates first"));
  Report good = sample::report();
  for (GateReport& gates : good.gates) {
    gates.passed = true;
    for (Gate& gate : gates.gates) gate.verdict = Verdict::pass;
  }
  CHECK(has(all(good), "Ship llama_cpp q8_0 flash_q8"));
  CHECK_FALSE(has(all(good), "Settle"));
}

TEST_CASE("alerts are the upper ends of what was measured") {
  CHECK(has(all(sample::report()), "p95 time per token above 8.3 ms"));
  const auto found = alerts(sample::report());
  const auto slow = std::find_if(found.begin(), found.end(), [](const Alert& alert) {
    return alert.metric == "inter_token_latency_p95";
  });
  REQUIRE(slow != found.end());
  CHECK(slow->has_interval);
  CHECK(slow->above == doctest::Approx(8.3).epsilon(0.01));
  CHECK(slow->unit == "ms");
}

TEST_CASE("no threshold is invented for what was not measured") {
  Report report = sample::report();
  for (Trial& trial : report.trials)
    if (trial.measurement)
      std::erase_if(trial.measurement->metrics,
                    [](const Metric& m) { return m.metric == "inter_token_latency_p95"; });
  CHECK(has(all(report), "No threshold could be measured for: p95 time per token."));
  for (const Alert& alert : alerts(report)) CHECK(alert.metric != "inter_token_latency_p95");
}

TEST_CASE("alternatives come with what they cost") {
  CHECK(has(all(sample::report()),
            "If speed of the whole request matters most: llama_cpp q4_0, 2.54x instead of 2.09x"));
  CHECK(has(all(sample::report()), "open gates: accuracy"));
}

TEST_CASE("the speed of tuning is not sold as quantisation") {
  CHECK(has(all(sample::report()), "Against the fastest unquantised artifact (llama_cpp bf16)"));
}

TEST_CASE("nothing measured, nothing recommended") {
  const auto items = recommendations(sample::empty_report());
  REQUIRE(items.size() == 1);
  CHECK(items[0].title == "Keep the original for now");
  CHECK(alerts(sample::empty_report()).empty());
}
