// Measurements -> verdicts, front, recommendation.
#include "gate/gate.h"

#include <algorithm>

#include "pipeline/stages.h"
#include "search/pareto.h"
#include "search/recommend.h"

namespace strop::pipeline {

Result<void> gate_stage(Report& report, Context& context) {
  STROP_TRY(const GateRules rules, load_gate_rules(context.where().share / "plan" / "gates.json"));
  const auto baseline =
      std::find_if(report.trials.begin(), report.trials.end(),
                   [](const Trial& trial) { return trial.role == Role::baseline; });
  if (baseline == report.trials.end())
    return Error{.code = ErrorCode::invalid_input,
                 .message = "[gate] the report has no baseline to compare with",
                 .field = "trials"};
  report.gates.clear();
  for (const Trial& trial : report.trials) {
    if (trial.role == Role::candidate && trial.status == TrialStatus::ok)
      report.gates.push_back(judge(report.goal, trial, *baseline, rules));
  }
  for (CrossCheck& cell : report.matrix) {
    const auto trial = std::find_if(report.trials.begin(), report.trials.end(),
                                    [&](const Trial& each) { return each.id == cell.trial_id; });
    if (trial != report.trials.end() && cell.metric)
      cell.verdict =
          within_tolerance(trial->recipe, *cell.metric, report.goal, rules, cell.run_options);
  }
  report.front = recommend(pareto_front(report.trials, *report.model), report.trials, report.gates,
                           report.goal, *report.model);
  return {};
}

}  // namespace strop::pipeline
