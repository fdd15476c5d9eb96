// Measurements -> verdicts, front, recommendation.
#include "gate/gate.h"

#include <algorithm>

#include "pipeline/stages.h"
#include "search/pareto.h"
#include "search/recommend.h"

namespace strop::pipeline {

Result<void> gate_stage(Report& report, Context& context) {
  STROP_TRY(const GateRules rules, load_gate_rules(context.where().share / "plan" / "gates.json"));
  const Trial* const baseline = find_trial(report.trials, Role::baseline);
  if (!baseline)
    return Error{.code = ErrorCode::invalid_input,
                 .message = "[gate] the report has no baseline to compare with",
                 .field = "trials"};
  report.gates.clear();
  for (const Trial& trial : report.trials) {
    if (trial.role == Role::candidate && trial.status == TrialStatus::ok)
      report.gates.push_back(judge(report.goal, trial, *baseline, rules));
  }
  for (CrossCheck& cell : report.matrix) {
    const Trial* const trial = find_trial(report.trials, cell.trial_id);
    if (trial && cell.metric)
      cell.verdict =
          within_tolerance(trial->recipe, *cell.metric, report.goal, rules, cell.run_options);
  }
  report.front = recommend(pareto_front(report.trials, *report.model), report.trials, report.gates,
                           report.goal, *report.model);
  return {};
}

}  // namespace strop::pipeline
