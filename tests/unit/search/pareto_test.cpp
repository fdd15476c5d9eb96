#include "search/pareto.h"

#include <doctest/doctest.h>

#include <limits>

#include "trials.h"

using namespace strop;
using Ids = std::vector<std::string>;

namespace {

Trial measured(const std::string& id, std::uint64_t bytes, double divergence, double speedup) {
  return trial(id, bytes, {metric("kl_mean", divergence), metric("speedup", speedup)});
}

}  // namespace

TEST_CASE("keeps_what_nothing_else_beats_in_everything") {
  const Front front = pareto_front(
      {measured("large", 200, 0.001, 1.0), measured("small", 90, 0.3, 2.0),
       measured("worse than small", 95, 0.4, 1.9), measured("between", 140, 0.006, 1.5)},
      {});
  CHECK(front.trial_ids == Ids{"small", "between", "large"});
  CHECK(front.objectives ==
        std::vector<Objective>{{"total_bytes", false}, {"kl_mean", false}, {"speedup", true}});
}

TEST_CASE("equals_share_the_front") {
  const Front front =
      pareto_front({measured("b", 100, 0.1, 2.0), measured("a", 100, 0.1, 2.0)}, {});
  CHECK(front.trial_ids == Ids{"a", "b"});
}

TEST_CASE("baseline_reference_and_failures_are_not_on_it") {
  Trial baseline = measured("baseline", 1, 0, 9);
  baseline.role = Role::baseline;
  Trial reference = measured("reference", 1, 0, 9);
  reference.role = Role::quality_reference;
  Trial failed = measured("failed", 1, 0, 9);
  failed.status = TrialStatus::failed;
  const Front front =
      pareto_front({baseline, reference, failed, measured("real", 100, 0.1, 2)}, {});
  CHECK(front.trial_ids == Ids{"real"});
}

TEST_CASE("a_recipe_on_the_original's_own_grid_is_not_on_it") {
  Trial flattered = measured("flattered", 98, 0, 2);
  flattered.recipe.source_grid = "q4_1";
  Model model;
  model.source_grid = "q4_1";
  CHECK(pareto_front({flattered, measured("honest", 105, 0.1, 1)}, model).trial_ids ==
        Ids{"honest"});
  model.source_grid = "";
  CHECK(pareto_front({flattered}, model).trial_ids == Ids{"flattered"});
}

TEST_CASE("an_objective_that_nobody_has_is_left_out") {
  const Front front = pareto_front(
      {trial("a", 100, {metric("kl_mean", 0.1)}), trial("b", 90, {metric("kl_mean", 0.2)})}, {});
  CHECK(front.trial_ids == Ids{"b", "a"});
  CHECK(front.objectives == std::vector<Objective>{{"total_bytes", false}, {"kl_mean", false}});
}

TEST_CASE("a_trial_without_one_of_the_objectives_is_not_on_it") {
  const Front front =
      pareto_front({measured("whole", 100, 0.1, 2), trial("half", 1, {metric("speedup", 9)})}, {});
  CHECK(front.trial_ids == Ids{"whole"});
}

TEST_CASE("a_value_that_is_no_number_does_not_count") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Front front =
      pareto_front({measured("broken", 1, nan, 9), measured("real", 100, 0.1, 2)}, {});
  CHECK(front.trial_ids == Ids{"real"});
}

TEST_CASE("divergence_of_one_bucket_of_positions_is_not_the_whole") {
  Metric bucket = metric("kl_mean", 0.001);
  bucket.context.position_begin = 0;
  bucket.context.position_end = 256;
  CHECK(value_of(trial("a", 1, {bucket, metric("kl_mean", 0.5)}), "kl_mean") == 0.5);
  CHECK_FALSE(value_of(trial("a", 1, {bucket}), "kl_mean"));
}
