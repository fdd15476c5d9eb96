// Assessment + Goal -> Plan.
#include "plan/plan.h"

#include <algorithm>

#include "pipeline/calibration.h"
#include "pipeline/stages.h"
#include "pipeline/toolchains.h"
#include "plan/rules.h"

namespace strop::pipeline {
namespace {

// The trials that the lock file pins, each with the run options that were measured.
void keep_to(const LockFile& lock, Plan& plan) {
  std::vector<PlannedTrial> pinned;
  for (const PinnedTrial& trial : lock.trials)
    pinned.push_back(
        {.recipe = trial.recipe, .role = trial.role, .run_presets = {trial.run_preset}});
  for (const PlannedTrial& planned : plan.trials) {
    const bool known = std::any_of(pinned.begin(), pinned.end(), [&](const PlannedTrial& other) {
      return other.recipe.id == planned.recipe.id && other.role == planned.role;
    });
    if (!known)
      plan.not_tried.push_back({.backend = planned.recipe.backend,
                                .recipe = planned.recipe.name,
                                .reason = "the lock file does not have it"});
  }
  plan.trials = std::move(pinned);
}

}  // namespace

Result<void> plan_stage(Report& report, Context& context) {
  STROP_TRY(const Rules rules, load_rules(context.where().share / "plan"));
  STROP_TRY(const std::string no_calibration, why_no_calibration(report, context));
  STROP_TRY(report.plan, make_plan(report.goal, *report.model, *report.target, *report.assessment,
                                   rules, missing_workers(), no_calibration));
  if (context.request().locked) keep_to(*context.request().locked, *report.plan);
  return {};
}

}  // namespace strop::pipeline
