#include "search/recommend.h"

#include <doctest/doctest.h>

#include "trials.h"

using namespace strop;

namespace {

constexpr double kBaselineMemory = 600;

Trial candidate(const std::string& id, double speedup, double accuracy, double memory) {
  return trial(
      id, 100,
      {metric("speedup", speedup), metric("accuracy", accuracy), metric("peak_memory", memory)});
}

Trial baseline() {
  Trial made = trial("baseline", 270, {metric("peak_memory", kBaselineMemory)});
  made.role = Role::baseline;
  return made;
}

Gate gate(const std::string& metric, Comparison comparison, double threshold, double observed) {
  const bool met =
      comparison == Comparison::at_least ? observed >= threshold : observed <= threshold;
  return {.name = metric,
          .metric = metric,
          .comparison = comparison,
          .threshold = threshold,
          .required = true,
          .observed = observed,
          .verdict = met ? Verdict::pass : Verdict::fail,
          .reason = metric + " reason"};
}

// The three gates of a prototype.
GateReport judged(const Trial& trial) {
  const auto value = [&](const char* metric) { return find(*trial.measurement, metric)->value; };
  GateReport report{.trial_id = trial.id};
  report.gates = {
      gate("speedup", Comparison::at_least, 2, value("speedup")),
      gate("accuracy", Comparison::at_least, 0.95, value("accuracy")),
      gate("peak_memory", Comparison::at_most, 0.5, value("peak_memory") / kBaselineMemory)};
  report.passed = shortfall(report) == 0;
  return report;
}

Front recommended(std::vector<Trial> trials, const Goal& goal = {}, const Model& model = {}) {
  std::vector<GateReport> gates;
  for (const Trial& trial : trials) gates.push_back(judged(trial));
  trials.push_back(baseline());
  return recommend({}, trials, gates, goal, model);
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("what_passes_comes_before_what_scores_better") {
  const Front front =
      recommended({candidate("fast but wrong", 9, 0.5, 100), candidate("modest", 2.1, 0.96, 290)});
  CHECK(front.recommended_id == "modest");
  CHECK(contains(front.why, "the only one that passes every required gate"));
  CHECK(contains(front.why, "fast but wrong, misses accuracy"));
}

TEST_CASE("weights_choose_among_those_that_pass") {
  const std::vector<Trial> trials{candidate("fast", 4, 0.955, 280),
                                  candidate("exact", 2.2, 0.999, 290),
                                  candidate("small", 2.1, 0.96, 80)};
  Goal goal;
  goal.weights = {1, 0, 0};
  CHECK(recommended(trials, goal).recommended_id == "fast");
  goal.weights = {0, 1, 0};
  CHECK(recommended(trials, goal).recommended_id == "exact");
  goal.weights = {0, 0, 1};
  CHECK(recommended(trials, goal).recommended_id == "small");
}

TEST_CASE("a_preference_outweighs_the_rest") {
  const std::vector<Trial> trials{candidate("fast", 4, 0.955, 280),
                                  candidate("exact", 2.2, 0.999, 290),
                                  candidate("small", 2.1, 0.96, 80)};
  for (const auto& [prefer, id] :
       {std::pair{"speed", "fast"}, {"accuracy", "exact"}, {"memory", "small"}}) {
    Goal goal;
    goal.prefer = prefer;
    CHECK(recommended(trials, goal).recommended_id == id);
    CHECK(contains(recommended(trials, goal).why, prefer));
  }
}

TEST_CASE("names_the_runner_up_with_its_figures") {
  const Front front =
      recommended({candidate("first", 4, 0.99, 200), candidate("second", 3, 0.98, 250)});
  CHECK(contains(front.why, "next is engine second: 3x the baseline's speed, accuracy 0.98"));
}

TEST_CASE("when_none_passes_the_nearest_is_named_with_what_it_misses") {
  const Front front = recommended(
      {candidate("a little large", 2.1, 0.999, 324), candidate("much less exact", 2.5, 0.80, 280)});
  CHECK(front.recommended_id == "a little large");
  CHECK(contains(front.why, "no artifact passes every required gate"));
  CHECK(contains(front.why, "nearest, but misses peak_memory"));
  CHECK(contains(front.why, "much less exact, which misses accuracy"));
}

TEST_CASE("the_original's_own_grid_is_never_recommended") {
  Trial flattered = candidate("flattered", 9, 1, 50);
  flattered.recipe.source_grid = "q4_1";
  Model model;
  model.source_grid = "q4_1";
  CHECK(recommended({flattered, candidate("honest", 2.1, 0.96, 290)}, {}, model).recommended_id ==
        "honest");
  CHECK(recommended({flattered}, {}, model).recommended_id.empty());
}

TEST_CASE("an_interval_counts_with_its_bad_end") {
  Trial uncertain = candidate("uncertain", 4, 0.99, 250);
  uncertain.measurement->metrics[0].interval = Interval{1, 7};
  Goal goal;
  goal.weights = {1, 0, 0};
  CHECK(recommended({uncertain, candidate("certain", 3, 0.99, 250)}, goal).recommended_id ==
        "certain");
}

TEST_CASE("nothing_judged_means_no_recommendation_and_says_so") {
  const Front front = recommend({}, {candidate("unjudged", 3, 1, 1), baseline()}, {}, {}, {});
  CHECK(front.recommended_id.empty());
  CHECK(front.why == "no candidate was measured and judged");
}

TEST_CASE("one_unit_is_a_doubling_of_speed_a_halving_of_memory_a_twentieth_of_accuracy") {
  const Goal goal;
  CHECK(score(candidate("same", 1, 1, 600), baseline(), goal) == doctest::Approx(0));
  CHECK(score(candidate("fast", 2, 1, 600), baseline(), goal) == doctest::Approx(1));
  CHECK(score(candidate("small", 1, 1, 300), baseline(), goal) == doctest::Approx(1));
  CHECK(score(candidate("worse", 1, 0.95, 600), baseline(), goal) == doctest::Approx(-1));
}

TEST_CASE("shortfall_counts_required_gates_only_and_grows_with_the_distance") {
  GateReport report;
  report.gates = {gate("speedup", Comparison::at_least, 2, 1)};
  CHECK(shortfall(report) == doctest::Approx(1));
  report.gates[0].observed = 0.5;
  CHECK(shortfall(report) == doctest::Approx(2));
  report.gates[0].required = false;
  CHECK(shortfall(report) == 0);
  report.gates[0] = Gate{.name = "stress", .required = true, .verdict = Verdict::not_measured};
  CHECK(shortfall(report) > 0);
}
