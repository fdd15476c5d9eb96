#include "report/milestones.h"

#include <algorithm>
#include <optional>

#include "report/summary.h"

namespace strop {
namespace {

std::optional<Metric> copy_of(const Metric* metric) {
  return metric ? std::optional(*metric) : std::nullopt;
}

Milestone milestone(MilestoneKind kind, const Trial& trial) {
  Milestone out{.kind = kind, .trial_id = trial.id};
  if (trial.artifact)
    out.size = Metric{.metric = "total_bytes",
                      .unit = "bytes",
                      .value = static_cast<double>(trial.artifact->total_bytes),
                      .samples = 1};
  out.accuracy = copy_of(overall(trial, "accuracy"));
  out.speedup = copy_of(overall(trial, "speedup"));
  out.memory = copy_of(overall(trial, "peak_memory"));
  return out;
}

std::string figure_text(const std::optional<Metric>& metric) {
  if (!metric) return "not measured";
  const Quantity shown = quantity(*metric);
  return metric->noisy ? noisy_text(shown) : value_text(shown);
}

bool is_default(const Trial& trial) {
  return trial.run_preset.empty() || trial.run_preset == "default";
}

// The recommended framework's artifact in full precision, with the engine's own run options where
// there is a choice.
const Trial* converted(const Summary& summary) {
  const Trial* best = nullptr;
  for (const Row& row : summary.rows) {
    const Trial& trial = *row.trial;
    if (trial.role != Role::candidate || !trial.recipe.lossless ||
        trial.recipe.backend != summary.recommended->trial->recipe.backend)
      continue;
    if (!best || (is_default(trial) && !is_default(*best))) best = &trial;
  }
  return best;
}

Milestone baseline_of(const Summary& summary) {
  if (!summary.baseline)
    return {.kind = MilestoneKind::baseline, .text = "no baseline was measured"};
  Milestone out = milestone(MilestoneKind::baseline, *summary.baseline);
  out.text = trial_text(*summary.baseline) +
             " with its engine's own run options: what a user would run today";
  return out;
}

Milestone conversion_of(const Summary& summary) {
  const Trial& chosen = *summary.recommended->trial;
  const Trial* trial = converted(summary);
  if (!trial) {
    const bool same = summary.baseline && summary.baseline->recipe.backend == chosen.recipe.backend;
    return {.kind = MilestoneKind::conversion,
            .text = same ? "none: the recommended artifact is in the baseline's own format"
                         : "not measured apart: no unquantised artifact of " +
                               chosen.recipe.backend + " was measured"};
  }
  Milestone out = milestone(MilestoneKind::conversion, *trial);
  out.text = trial_text(*trial) + ": speed " + figure_text(out.speedup) + ", accuracy " +
             figure_text(out.accuracy) + ", nothing quantised";
  if (!is_default(*trial)) out.text += "; its run options are not the engine's own";
  return out;
}

Milestone quantisation_of(const Summary& summary) {
  const Trial& chosen = *summary.recommended->trial;
  if (chosen.recipe.lossless)
    return {.kind = MilestoneKind::quantisation,
            .text = "none: the recommended artifact is not quantised"};
  Milestone out = milestone(MilestoneKind::quantisation, chosen);
  const std::optional<Metric> size =
      summary.baseline && summary.baseline->artifact
          ? milestone(MilestoneKind::baseline, *summary.baseline).size
          : std::nullopt;
  out.text = chosen.recipe.backend + " " + chosen.recipe.name;
  if (size && out.size && size->value > 0)
    out.text += ": " + fixed(out.size->value / size->value * 100, 0) + " % of the baseline's size";
  out.text += ", accuracy " + figure_text(out.accuracy);
  if (is_default(chosen)) {
    out.text += ", speed " + figure_text(out.speedup);
  } else {
    // Both steps were timed together: the artifact was measured in full with its best run options.
    out.speedup.reset();
    out.memory.reset();
    out.text += "; its speed was measured with the run options of the next step";
  }
  return out;
}

Milestone acceleration_of(const Report& report, const Summary& summary) {
  const Trial& chosen = *summary.recommended->trial;
  const Trial* beaten = nullptr;
  std::size_t others = 0;
  for (const Trial& trial : report.trials) {
    if (trial.status != TrialStatus::dominated || trial.recipe.id != chosen.recipe.id) continue;
    ++others;
    if (is_default(trial)) beaten = &trial;
  }
  if (others == 0)
    return {.kind = MilestoneKind::acceleration,
            .text = "none: no other run options were tried for it"};
  Milestone out = milestone(MilestoneKind::acceleration, chosen);
  if (beaten)
    out.text = "against the engine's own run options: " + beaten->reason;
  else if (is_default(chosen))
    out.text = str("the engine's own run options were the fastest of ", others + 1,
                   " sets that were tried, or not clearly slower");
  else
    out.text =
        str("run options ", chosen.run_preset, ", the fastest of ", others + 1, " sets tried");
  return out;
}

Milestone validation_of(const Summary& summary) {
  const Row& row = *summary.recommended;
  if (!row.gates) return {.kind = MilestoneKind::validation, .text = "no gate was applied to it"};
  Milestone out = milestone(MilestoneKind::validation, *row.trial);
  std::size_t required = 0;
  for (const Gate& gate : row.gates->gates) required += gate.required ? 1 : 0;
  const auto open = open_required_gates(*row.gates);
  out.text = str(required - open.size(), " of ", required, " required gates pass");
  std::string names;
  for (const Gate* gate : open)
    names +=
        (names.empty() ? "; open: " : ", ") + gate->name + " (" + verdict_text(gate->verdict) + ")";
  out.text += names;
  return out;
}

}  // namespace

std::vector<Milestone> milestones(const Report& report) {
  const Summary summary = summarise(report);
  if (!summary.recommended) return {};
  return {baseline_of(summary), conversion_of(summary), quantisation_of(summary),
          acceleration_of(report, summary), validation_of(summary)};
}

bool has_unit_speed(const Milestone& milestone) {
  return milestone.kind == MilestoneKind::baseline && !milestone.trial_id.empty() &&
         !milestone.speedup;
}

std::string milestone_title(MilestoneKind kind) {
  switch (kind) {
    case MilestoneKind::baseline:
      return "Baseline";
    case MilestoneKind::conversion:
      return "Conversion";
    case MilestoneKind::quantisation:
      return "Quantisation";
    case MilestoneKind::acceleration:
      return "Acceleration";
    case MilestoneKind::validation:
      return "Validation";
  }
  return {};
}

}  // namespace strop
