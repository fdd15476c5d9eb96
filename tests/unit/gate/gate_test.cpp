#include "gate/gate.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

using namespace strop;

namespace {

const GateRules& rules() {
  static const GateRules loaded =
      *load_gate_rules(std::filesystem::path(STROP_SOURCE_DIR) / "share/plan/gates.json");
  return loaded;
}

Metric metric(const std::string& name, double value, std::optional<Interval> interval = {}) {
  return {.metric = name, .value = value, .interval = interval};
}

Trial trial(std::vector<Metric> metrics) {
  Trial made{.id = "t"};
  made.artifact = Artifact{.id = "a", .total_bytes = 100};
  made.measurement = Measurement{.metrics = std::move(metrics)};
  return made;
}

const Trial kBaseline = trial({metric("peak_memory", 1000), metric("kl_mean", 0.001)});

const Gate* gate(const GateReport& report, const std::string& name) {
  const auto found = std::find_if(report.gates.begin(), report.gates.end(),
                                  [&](const Gate& g) { return g.name == name; });
  return found == report.gates.end() ? nullptr : &*found;
}

const Control kSame{.metric = "request_time", .interval = {0.99, 1.01}, .contains_one = true};

GateReport judged(Trial candidate, const Goal& goal = {},
                  const std::optional<Control>& control = kSame) {
  if (candidate.measurement) candidate.measurement->control = control;
  return judge(goal, candidate, kBaseline, rules());
}

Verdict accuracy_verdict(double value, std::optional<Interval> interval = {}) {
  return gate(judged(trial({metric("accuracy", value, interval)})), "accuracy")->verdict;
}

// Best to worst.
int goodness(Verdict verdict) {
  return verdict == Verdict::pass ? 2 : verdict == Verdict::noisy ? 1 : 0;
}

}  // namespace

TEST_CASE("a divergence that the precision does not explain is a wrong conversion") {
  const auto verdict = [](double bits, double kl) {
    Trial made = trial({metric("kl_mean", kl)});
    made.recipe.bits_per_weight = bits;
    return gate(judged(made), "conversion")->verdict;
  };
  CHECK(verdict(16, 0.003) == Verdict::pass);  // weights in 16 bits, as they should be
  CHECK(verdict(16, 0.64) == Verdict::fail);   // the same with positions rounded to bf16
  CHECK(verdict(8.5, 0.0065) == Verdict::pass);
  CHECK(verdict(8.5, 0.64) == Verdict::fail);
  CHECK(verdict(4.5, 0.371) == Verdict::pass);
  CHECK(verdict(4.5, 8) == Verdict::fail);
  CHECK(verdict(0, 8) == Verdict::fail);
}

TEST_CASE("all required gates of a prototype pass") {
  const auto report = judged(trial({metric("kl_mean", 0.01), metric("accuracy", 0.99),
                                    metric("speedup", 2.5), metric("peak_memory", 400)}));
  CHECK(report.passed);
  CHECK(report.artifact_id == "a");
  CHECK(gate(report, "memory")->observed == doctest::Approx(0.4));
  CHECK(gate(report, "memory")->baseline == doctest::Approx(1000));
  CHECK_FALSE(gate(report, "stress")->required);
}

TEST_CASE("production requires every gate") {
  const Goal goal{.profile = Profile::production};
  const auto report = judged(
      trial({metric("accuracy", 0.99), metric("speedup", 2.5), metric("peak_memory", 400)}), goal);
  CHECK_FALSE(report.passed);
  for (const char* name :
       {"accuracy", "speed", "memory", "consistency", "ab_test", "stress", "stress_latency",
        "stress_memory", "stability_memory", "stability_latency", "security", "privacy"}) {
    REQUIRE_MESSAGE(gate(report, name), name);
    CHECK_MESSAGE(gate(report, name)->required, name);
  }
  CHECK(gate(report, "security")->verdict == Verdict::not_measured);
  CHECK(gate(report, "security")->reason == "security was not measured");
}

TEST_CASE("a gate says why nobody measured it") {
  Trial silent = trial({metric("accuracy", 1)});
  silent.measurement->not_measured.push_back({"stress_errors", {}, "lasted 12 s"});
  CHECK(gate(judged(silent), "stress")->reason == "stress was not measured: lasted 12 s");
}

TEST_CASE("in the profile strict nothing may stay open") {
  const Goal goal{.profile = Profile::strict};
  const auto report = judged(trial({metric("accuracy", 0.96, Interval{0.94, 0.98}),
                                    metric("speedup", 2.5), metric("peak_memory", 400)}),
                             goal);
  CHECK_FALSE(report.passed);
  CHECK(gate(report, "accuracy")->verdict == Verdict::fail);  // too close to tell
  CHECK(gate(report, "accuracy")->reason.find("strict") != std::string::npos);
  CHECK(gate(report, "stress")->verdict == Verdict::fail);  // not measured
  for (const Gate& one : report.gates) {
    CHECK(one.required);
    CHECK(one.verdict != Verdict::noisy);
    CHECK(one.verdict != Verdict::not_measured);
  }
}

TEST_CASE("every threshold is the goal's") {
  struct Row {
    const char* gate;
    const char* metric;
    double Thresholds::*field;
  };
  for (const Row& row : {Row{"ab_test", "ab_test", &Thresholds::ab_error},
                         Row{"stress", "stress_errors", &Thresholds::stress_errors},
                         Row{"stress_latency", "stress_slowdown", &Thresholds::stress_slowdown},
                         Row{"stress_memory", "stress_growth", &Thresholds::stress_growth},
                         Row{"stability_memory", "soak_memory_growth", &Thresholds::leak},
                         Row{"stability_latency", "soak_latency_growth", &Thresholds::drift},
                         Row{"security", "security_findings", &Thresholds::security_findings}}) {
    Goal goal;
    goal.thresholds.*row.field = 3;
    CHECK_MESSAGE(
        gate(judged(trial({metric(row.metric, 3)}), goal), row.gate)->verdict == Verdict::pass,
        row.gate);
    CHECK_MESSAGE(
        gate(judged(trial({metric(row.metric, 3.1)}), goal), row.gate)->verdict == Verdict::fail,
        row.gate);
  }
  Goal goal;
  goal.thresholds.conversion_kl = 0.2;
  CHECK(gate(judged(trial({metric("kl_mean", 0.3)}), goal), "conversion")->verdict ==
        Verdict::fail);
}

TEST_CASE("what was not measured is neither passed nor zero") {
  const auto report = judged(Trial{.id = "t"});
  CHECK_FALSE(report.passed);
  CHECK(gate(report, "speed")->verdict == Verdict::not_measured);
  CHECK_FALSE(gate(report, "speed")->observed);
}

TEST_CASE("only the bad end of the interval counts") {
  CHECK(accuracy_verdict(0.97, Interval{0.951, 0.98}) == Verdict::pass);
  CHECK(accuracy_verdict(0.97, Interval{0.949, 0.98}) == Verdict::noisy);
  CHECK(accuracy_verdict(0.93, Interval{0.92, 0.949}) == Verdict::fail);
}

TEST_CASE("a failed control makes the speed noisy, not the rest") {
  const Trial fast = trial({metric("speedup", 3, Interval{2.9, 3.1}), metric("accuracy", 1)});
  const auto report = judged(
      fast, {},
      Control{
          .metric = "request_time", .ratio = 1.2, .interval = {1.1, 1.3}, .contains_one = false});
  CHECK(gate(report, "speed")->verdict == Verdict::noisy);
  CHECK(gate(report, "accuracy")->verdict == Verdict::pass);
}

TEST_CASE("a control that is missing or too wide for the claim makes the speed noisy") {
  const Trial fast = trial({metric("speedup", 3, Interval{2.9, 3.1})});
  CHECK(gate(judged(fast, {}, std::nullopt), "speed")->verdict == Verdict::noisy);
  Control wide = kSame;
  wide.interval = {0.3, 1.7};  // a third of the 1.9 that the interval's low end claims is 0.63
  CHECK(gate(judged(fast, {}, wide), "speed")->verdict == Verdict::noisy);
  wide.interval = {0.4, 1.6};
  CHECK(gate(judged(fast, {}, wide), "speed")->verdict == Verdict::pass);
}

TEST_CASE("whatever the control, a lower threshold never has a worse verdict") {
  const Trial fast = trial({metric("speedup", 2.5, Interval{2.4, 2.6})});
  for (const double half_width : {0.01, 0.025, 0.2, 0.46, 0.5}) {
    Control control = kSame;
    control.interval = {1 - half_width, 1 + half_width};
    bool passed = true;
    for (double threshold = 0.5; threshold < 3; threshold += 0.05) {
      Goal goal;
      goal.thresholds.speedup = threshold;
      const bool passes = gate(judged(fast, goal, control), "speed")->verdict == Verdict::pass;
      CHECK_FALSE_MESSAGE((passes && !passed), half_width, " at ", threshold);
      passed = passes;
    }
  }
}

TEST_CASE("a noisy metric is a noisy verdict") {
  Metric noisy = metric("speedup", 3);
  noisy.noisy = true;
  CHECK(gate(judged(trial({noisy})), "speed")->verdict == Verdict::noisy);
}

TEST_CASE("a noisy metric whose whole interval misses is a failure") {
  Metric noisy = metric("speedup", 1.02, Interval{0.93, 1.27});
  noisy.noisy = true;
  CHECK(gate(judged(trial({noisy})), "speed")->verdict == Verdict::fail);
  Control wide = kSame;
  wide.interval = {0.6, 1.4};
  CHECK(gate(judged(trial({noisy}), {}, wide), "speed")->verdict == Verdict::fail);
  wide.contains_one = false;
  CHECK(gate(judged(trial({noisy}), {}, wide), "speed")->verdict == Verdict::noisy);
  noisy.interval = Interval{2.1, 3.9};
  CHECK(gate(judged(trial({noisy})), "speed")->verdict == Verdict::noisy);
}

TEST_CASE("limits are gates only when the user set them, and then required") {
  CHECK_FALSE(gate(judged(trial({})), "max_size"));
  Goal goal;
  goal.limits.size_bytes = 99;
  goal.limits.latency_ms = 20;
  goal.limits.memory_bytes = 500;
  const auto report =
      judged(trial({metric("inter_token_latency_p50", 12), metric("peak_memory", 400)}), goal);
  CHECK(gate(report, "max_size")->verdict == Verdict::fail);
  CHECK(gate(report, "max_size")->required);
  CHECK(gate(report, "max_size")->reason ==
        "max_size is 100 bytes, asked is at most 99 bytes: missed by 1 %");
  CHECK(gate(report, "max_latency")->verdict == Verdict::pass);
  CHECK(gate(report, "max_memory")->verdict == Verdict::pass);
}

TEST_CASE("sentences hold the numbers") {
  const auto report =
      judged(trial({metric("speedup", 1.42, Interval{1.38, 1.47}), metric("accuracy", 0.987)}));
  CHECK(gate(report, "speed")->reason ==
        "speed is 1.42 times the baseline (1.38 to 1.47), asked is at least 2: missed by 29 %");
  CHECK(gate(report, "accuracy")->reason ==
        "accuracy is 0.987 of the original, asked is at least 0.95");
}

TEST_CASE("law: a better value never has a worse verdict") {
  int before = 0;
  for (int i = 0; i <= 200; ++i) {
    const double value = 0.9 + 0.0005 * i;
    const int now = goodness(accuracy_verdict(value, Interval{value - 0.01, value + 0.01}));
    CHECK(now >= before);
    before = now;
  }
  CHECK(before == 2);
}

TEST_CASE("law: a stricter threshold never has a better verdict") {
  int before = 2;
  for (int i = 0; i <= 100; ++i) {
    Goal goal;
    goal.thresholds.speedup = 1 + 0.03 * i;
    const auto report = judged(trial({metric("speedup", 2.2, Interval{2.1, 2.3})}), goal);
    const int now = goodness(gate(report, "speed")->verdict);
    CHECK(now <= before);
    before = now;
  }
  CHECK(before == 0);
}

TEST_CASE("law: a narrower interval never turns pass into fail or fail into pass") {
  for (const double value : {0.93, 0.95, 0.97}) {
    for (double half = 0.05; half > 0.0001; half *= 0.7) {
      const Verdict wide = accuracy_verdict(value, Interval{value - half, value + half});
      const Verdict narrow = accuracy_verdict(value, Interval{value - half / 2, value + half / 2});
      if (wide != Verdict::noisy) CHECK(narrow == wide);
    }
  }
}

TEST_CASE("models of tensors are judged by their own metrics, under the same names") {
  const Trial baseline =
      trial({metric("peak_memory", 1000), metric("noise_ratio", 0), metric("inference_time_p50", 3),
             metric("inference_variation", 0.01)});
  const auto judged_by = [&](double bits, std::vector<Metric> metrics, const Goal& goal = {},
                             const RunOptions& in_force = {}) {
    Trial made = trial(std::move(metrics));
    made.recipe.bits_per_weight = bits;
    made.measurement->run_options = in_force;
    made.measurement->control = kSame;
    return judge(goal, made, baseline, rules());
  };
  const auto conversion = [&](double bits, double noise, const RunOptions& in_force = {}) {
    const GateReport report = judged_by(bits, {metric("noise_ratio", noise)}, {}, in_force);
    CHECK(gate(report, "conversion")->metric == "noise_ratio");
    return gate(report, "conversion")->verdict;
  };
  CHECK(conversion(32, 1e-4) == Verdict::pass);
  CHECK(conversion(32, 0.2) == Verdict::fail);
  CHECK(conversion(32, 0.05) == Verdict::fail);
  CHECK(conversion(32, 0.05, {{"precision_hint", "f32"}}) == Verdict::fail);
  CHECK(conversion(32, 0.05, {{"precision_hint", "bf16"}}) == Verdict::pass);
  CHECK(conversion(8, 0.05) == Verdict::pass);
  CHECK(conversion(8, 0.4) == Verdict::fail);
  for (const double bits : {32.0, 8.0, 4.5, 2.0}) {
    CHECK(conversion(bits, 1) == Verdict::fail);  // zeros, or twice the scale
    CHECK(conversion(bits, 4) == Verdict::fail);  // the signs turned round
  }
  Goal goal{.profile = Profile::production};
  goal.limits.latency_ms = 5;
  const GateReport report =
      judged_by(8, {metric("inference_variation", 0.3), metric("inference_time_p50", 6)}, goal);
  CHECK(gate(report, "consistency")->verdict == Verdict::fail);
  CHECK(gate(report, "max_latency")->verdict == Verdict::fail);
  CHECK(gate(report, "max_latency")->observed == 6.0);
}

TEST_CASE("a foreign framework's answers are held against the same tolerance") {
  const auto within = [](const Metric& distance, const Goal& goal = {}) {
    return within_tolerance({.bits_per_weight = 8}, distance, goal, rules(), {});
  };
  CHECK(within(metric("noise_ratio", 0.2)) == Verdict::pass);
  CHECK(within(metric("noise_ratio", 0.3)) == Verdict::fail);
  CHECK(within(metric("kl_mean", 0.05)) == Verdict::pass);
  CHECK(within(metric("kl_mean", 0.3)) == Verdict::fail);
  CHECK(within(metric("speedup", 9)) == Verdict::not_measured);
  Metric few = metric("noise_ratio", 0.363);  // one answer of four turned
  few.interval = Interval{0, 1.45};
  CHECK(within(few) == Verdict::noisy);
  few.interval = Interval{0.3, 1.45};
  CHECK(within(few) == Verdict::fail);

  Goal stricter;
  stricter.thresholds.conversion_kl = 0.01;
  CHECK(within(metric("kl_mean", 0.05), stricter) == Verdict::fail);
}
