// Assessment + Goal -> Plan.
#include "plan/plan.h"

#include "pipeline/calibration.h"
#include "pipeline/stages.h"
#include "pipeline/toolchains.h"
#include "plan/rules.h"

namespace strop::pipeline {

Result<void> plan_stage(Report& report, Context& context) {
  STROP_TRY(const Rules rules, load_rules(context.where().share / "plan"));
  STROP_TRY(const std::string no_calibration, why_no_calibration(report, context));
  STROP_TRY(report.plan, make_plan(report.goal, *report.model, *report.target, *report.assessment,
                                   rules, missing_workers(), no_calibration));
  return {};
}

}  // namespace strop::pipeline
