#include "pipeline/matrix.h"

#include <algorithm>
#include <set>

namespace strop::pipeline {
namespace {

constexpr double kShare = 0.1;     // of the budget, at most
constexpr double kKept = 0.05;     // of the budget, that is kept for it
constexpr double kEndSeconds = 5;  // kept for gates and reports

std::vector<std::string> frameworks_of(const Report& report) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  for (const Trial& trial : report.trials) {
    if (trial.role != Role::candidate) add(trial.recipe.backend);
  }
  for (const Choice& choice : report.plan->choices) add(choice.backend);
  return names;
}

// One trial for each artifact that was measured.
std::vector<const Trial*> artifacts_of(const Report& report) {
  std::vector<const Trial*> trials;
  std::set<std::string> seen;
  for (const Trial& trial : report.trials) {
    if (trial.status == TrialStatus::ok && trial.artifact &&
        trial.role != Role::quality_reference && seen.insert(trial.artifact->id).second)
      trials.push_back(&trial);
  }
  return trials;
}

CrossCheck own_cell(const Trial& trial, const Exam& exam) {
  CrossCheck cell{.trial_id = trial.id, .backend = trial.recipe.backend};
  if (trial.measurement) cell.run_options = trial.measurement->run_options;
  if (const Metric* metric =
          trial.measurement ? find(*trial.measurement, exam.distance()) : nullptr)
    cell.metric = *metric;
  else
    cell.reason = "not measured";
  return cell;
}

// Opened by another framework with its own defaults. What it says is the cell's content, whatever
// it is.
Result<CrossCheck> foreign_cell(const Trial& trial, const std::string& backend, const Exam& exam,
                                const Report& report, Context& context) {
  CrossCheck cell{.trial_id = trial.id, .backend = backend};
  Trial opened = trial;
  opened.recipe.backend = backend;
  opened.run_options.clear();
  auto seen = exam.glance(opened, report, context);
  if (seen) {
    cell.metric = std::move(seen->distance);
    cell.run_options = std::move(seen->run_options);
  } else {
    if (ends_the_run(seen.error())) return std::move(seen).error();
    const bool foreign =
        seen.error().code == ErrorCode::unsupported && seen.error().field == "format";
    cell.reason = foreign ? str("does not open ", trial.artifact->format) : seen.error().message;
  }
  return cell;
}

}  // namespace

double matrix_seconds(const Goal& goal) { return goal.budget.wall_seconds * kKept; }

Result<std::vector<CrossCheck>> cross_validate(const Exam& exam, const Report& report,
                                               Context& context) {
  const Stopwatch watch;
  const double most = report.goal.budget.wall_seconds * kShare;
  std::set<std::pair<std::string, std::string>> refused;  // backend and format
  std::vector<CrossCheck> cells;
  for (const Trial* trial : artifacts_of(report)) {
    for (const std::string& backend : frameworks_of(report)) {
      if (backend == trial->recipe.backend) {
        cells.push_back(own_cell(*trial, exam));
        continue;
      }
      const std::string refusal = str("does not open ", trial->artifact->format);
      CrossCheck cell{.trial_id = trial->id, .backend = backend};
      const Json inputs{
          {"artifact", trial->artifact->id}, {"backend", backend}, {"exam", exam.id()}};
      if (refused.contains({backend, trial->artifact->format})) {
        cell.reason = refusal;
      } else {
        // Whether there is time is decided once per run, so that a resumed run decides alike.
        const auto look = [&]() -> Result<CrossCheck> {
          if (watch.seconds() <= most && context.seconds_left() >= kEndSeconds)
            return foreign_cell(*trial, backend, exam, report, context);
          cell.reason = "the time for it was used up";
          return cell;
        };
        STROP_TRY(cell, context.step<CrossCheck>(
                            Stage::measure,
                            str(trial->recipe.backend, " ", trial->recipe.name, " in ", backend),
                            inputs, look));
        cell.trial_id = trial->id;  // another trial may have made the same artifact
      }
      if (cell.reason == refusal) refused.insert({backend, trial->artifact->format});
      cells.push_back(std::move(cell));
    }
  }
  return cells;
}

}  // namespace strop::pipeline
