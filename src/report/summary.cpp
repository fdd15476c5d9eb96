#include "report/summary.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace strop {
namespace {

bool contains(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

// 0: not measured, and what cannot be ordered.
double speed_of(const Trial& trial) {
  const Metric* speed = overall(trial, "speedup");
  if (!speed) return trial.role == Role::baseline ? 1 : 0;
  return std::isfinite(speed->value) ? speed->value : 0;
}

Row make_row(const Report& report, const Trial& trial) {
  Row row;
  row.trial = &trial;
  const auto gates = std::find_if(report.gates.begin(), report.gates.end(),
                                  [&](const GateReport& g) { return g.trial_id == trial.id; });
  if (gates != report.gates.end()) row.gates = &*gates;
  if (report.front) {
    row.on_front = contains(report.front->trial_ids, trial.id);
    row.recommended = report.front->recommended_id == trial.id;
  }
  return row;
}

// Engineers look for what they have today, then for what to take.
auto reading_order(const Row& row) {
  const int role = row.trial->role == Role::baseline            ? 0
                   : row.trial->role == Role::quality_reference ? 1
                   : row.recommended                            ? 2
                   : row.on_front                               ? 3
                                                                : 4;
  return std::tuple(role, -speed_of(*row.trial));
}

const Trial* fastest_unquantised(const std::vector<Row>& rows) {
  const Trial* best = nullptr;
  for (const Row& row : rows) {
    if (!row.trial->recipe.lossless || speed_of(*row.trial) == 0) continue;
    if (!best || speed_of(*row.trial) > speed_of(*best)) best = row.trial;
  }
  return best;
}

// Both speeds are paired with the same baseline; dividing opposite ends keeps the interval on the
// safe side.
std::optional<Quantity> ratio_of_speeds(const Trial& trial, const Trial& other) {
  if (trial.id == other.id) return std::nullopt;
  const Metric* speed = overall(trial, "speedup");
  const Metric* other_speed = overall(other, "speedup");
  const bool other_is_baseline = other.role == Role::baseline;
  if (!speed || (!other_speed && !other_is_baseline)) return std::nullopt;
  if (other_is_baseline) return quantity(*speed);
  Quantity ratio{speed->value / other_speed->value, {}, "x", speed->noisy || other_speed->noisy};
  if (speed->interval && other_speed->interval)
    ratio.interval =
        Interval{speed->interval->low / other_speed->interval->high,
                 speed->interval->high / other_speed->interval->low, speed->interval->confidence};
  return ratio;
}

std::string reason_of(const Trial& trial) {
  if (!trial.reason.empty()) return trial.reason;
  if (trial.error) return trial.error->message;
  return "no reason given";
}

std::string one_of_group(const Trial& trial) {
  return trial.run_preset.empty() ? "default" : trial.run_preset;
}

// Presets of one recipe that share their reason are one line.
std::vector<Setback> setbacks(const Report& report, TrialStatus status) {
  struct Group {
    const Trial* first;
    std::vector<std::string> presets;
  };
  std::vector<Group> groups;
  for (const Trial& trial : report.trials) {
    if (trial.status != status) continue;
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const Group& g) {
      return g.first->recipe.backend == trial.recipe.backend &&
             g.first->recipe.name == trial.recipe.name && reason_of(*g.first) == reason_of(trial);
    });
    if (same != groups.end())
      same->presets.push_back(one_of_group(trial));
    else
      groups.push_back({&trial, {one_of_group(trial)}});
  }
  std::vector<Setback> out;
  for (const Group& group : groups) {
    std::string what = group.first->recipe.backend + " " + group.first->recipe.name;
    if (group.presets != std::vector<std::string>{"default"}) {
      what += " (";
      for (const std::string& preset : group.presets)
        what += (what.ends_with('(') ? "" : ", ") + preset;
      what += ")";
    }
    out.push_back({what, reason_of(*group.first)});
  }
  return out;
}

std::vector<Setback> all_not_tried(const Report& report) {
  std::vector<Setback> out = setbacks(report, TrialStatus::not_tried);
  if (!report.plan) return out;
  for (const NotTried& item : report.plan->not_tried) {
    const std::string what = item.recipe.empty() ? item.backend : item.backend + " " + item.recipe;
    out.push_back({what, item.reason});
  }
  return out;
}

std::vector<std::string> not_measured(const std::vector<Row>& rows, const Wording& wording) {
  std::vector<std::string> out;
  for (const Sought& expected : wording.expected) {
    std::string missing, reason;
    std::size_t candidates = 0, count = 0;
    for (const Row& row : rows) {
      if (row.trial->role != Role::candidate) continue;
      ++candidates;
      if (overall(*row.trial, expected.metric)) continue;
      missing += (count++ ? ", " : "") + trial_text(*row.trial);
      if (reason.empty() && row.trial->measurement)
        reason = reason_not_measured(*row.trial->measurement, expected.metric);
    }
    if (count == 0) continue;
    out.push_back(std::string(expected.words) + (count == candidates ? "" : " of " + missing) +
                  (reason.empty() ? "" : " (" + reason + ")"));
  }
  return out;
}

// Without trailing zeros: a rule's number as its author wrote it, a count's ratio as far as it
// goes.
std::string plain_number(double value, int significant = 6) {
  std::string text = fixed(value, decimals(value, {}, significant));
  if (text.find('.') == std::string::npos) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

// Those of the same rounds have the same control.
std::vector<ControlRow> controls_of(const std::vector<Row>& rows) {
  std::vector<ControlRow> out;
  for (const Row& row : rows) {
    if (!row.trial->measurement || !row.trial->measurement->control) continue;
    const Control& control = *row.trial->measurement->control;
    auto found = std::find_if(out.begin(), out.end(),
                              [&](const ControlRow& known) { return known.control == control; });
    if (found == out.end()) found = out.insert(out.end(), {control, {}});
    if (row.trial->role != Role::candidate) continue;
    found->timed += (found->timed.empty() ? "" : ", ") + trial_text(*row.trial);
  }
  return out;
}

}  // namespace

Summary summarise(const Report& report) {
  Summary out;
  out.wording = &wording(report);
  for (const Trial& trial : report.trials)
    if (trial.status == TrialStatus::ok) out.rows.push_back(make_row(report, trial));
  std::stable_sort(out.rows.begin(), out.rows.end(),
                   [](const Row& a, const Row& b) { return reading_order(a) < reading_order(b); });
  out.fastest_unquantised = fastest_unquantised(out.rows);
  out.unquantised_searched = std::any_of(out.rows.begin(), out.rows.end(), [](const Row& row) {
    return row.trial->role == Role::candidate && row.trial->recipe.lossless;
  });
  for (Row& row : out.rows) {
    if (out.fastest_unquantised)
      row.over_unquantised = ratio_of_speeds(*row.trial, *out.fastest_unquantised);
    if (row.trial->role == Role::baseline) out.baseline = row.trial;
    if (row.recommended) out.recommended = &row;
  }
  out.controls = controls_of(out.rows);
  out.failed = setbacks(report, TrialStatus::failed);
  out.dominated = setbacks(report, TrialStatus::dominated);
  out.infeasible = setbacks(report, TrialStatus::infeasible);
  out.not_tried = all_not_tried(report);
  out.not_measured = not_measured(out.rows, *out.wording);
  if (out.recommended && out.recommended->gates)
    for (const Gate& gate : out.recommended->gates->gates)
      if (gate.verdict == Verdict::not_measured) out.not_measured.push_back("gate " + gate.name);
  return out;
}

std::string file_name(const Model& model) {
  std::string_view path = model.path;
  while (path.ends_with('/')) path.remove_suffix(1);
  return std::string(path.substr(path.find_last_of('/') + 1));
}

std::string recipe_text(const Trial& trial) {
  if (trial.run_preset.empty() || trial.run_preset == "default") return trial.recipe.name;
  return trial.recipe.name + " " + trial.run_preset;
}

std::string trial_text(const Trial& trial) {
  return trial.recipe.backend + " " + recipe_text(trial);
}

const Metric* overall(const Trial& trial, std::string_view metric) {
  if (!trial.measurement) return nullptr;
  for (const Metric& candidate : trial.measurement->metrics)
    if (candidate.metric == metric && !candidate.context.position_begin &&
        !candidate.context.position_end && !candidate.context.output &&
        candidate.context.domain.empty() && candidate.context.concurrency.value_or(1) == 1)
      return &candidate;
  return nullptr;
}

std::vector<const Metric*> by_domain(const Trial& trial, std::string_view metric) {
  std::vector<const Metric*> out;
  if (!trial.measurement) return out;
  for (const Metric& candidate : trial.measurement->metrics)
    if (candidate.metric == metric && !candidate.context.domain.empty()) out.push_back(&candidate);
  return out;
}

const Metric* worst_domain(const Trial& trial) {
  const auto domains = by_domain(trial, "accuracy");
  const auto worst =
      std::min_element(domains.begin(), domains.end(),
                       [](const Metric* a, const Metric* b) { return a->value < b->value; });
  return worst == domains.end() ? nullptr : *worst;
}

std::vector<const Metric*> worst_sequences(const Trial& trial) {
  std::vector<const Metric*> out;
  if (!trial.measurement) return out;
  for (const Metric& candidate : trial.measurement->metrics)
    if (candidate.metric == "kl_worst_sequence" && !candidate.context.sequence.empty())
      out.push_back(&candidate);
  return out;
}

std::vector<const Metric*> by_position(const Trial& trial, std::string_view metric) {
  std::vector<const Metric*> out;
  if (!trial.measurement) return out;
  for (const Metric& candidate : trial.measurement->metrics)
    if (candidate.metric == metric && candidate.context.position_begin &&
        candidate.context.position_end)
      out.push_back(&candidate);
  std::sort(out.begin(), out.end(), [](const Metric* a, const Metric* b) {
    return *a->context.position_begin < *b->context.position_begin;
  });
  return out;
}

std::vector<MatrixRow> matrix_rows(const Report& report) {
  std::vector<MatrixRow> rows;
  for (const CrossCheck& cell : report.matrix) {
    if (rows.empty() || rows.back().trial->id != cell.trial_id) {
      const Trial* const trial = find_trial(report.trials, cell.trial_id);
      if (!trial) continue;
      rows.push_back({trial, {}});
    }
    rows.back().cells.push_back(&cell);
  }
  return rows;
}

std::vector<std::string> matrix_frameworks(const Report& report) {
  std::vector<std::string> names;
  for (const CrossCheck& cell : report.matrix)
    if (!contains(names, cell.backend)) names.push_back(cell.backend);
  return names;
}

std::string role_text(Role role) {
  switch (role) {
    case Role::baseline:
      return "baseline";
    case Role::quality_reference:
      return "quality reference";
    case Role::candidate:
      return "candidate";
  }
  return {};
}

std::string verdict_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::pass:
      return "pass";
    case Verdict::fail:
      return "fail";
    case Verdict::not_measured:
      return "not measured";
    case Verdict::noisy:
      return "noisy";
  }
  return {};
}

std::string comparison_text(const Gate& gate) {
  return (gate.comparison == Comparison::at_least ? "at least " : "at most ") +
         plain_number(gate.threshold);
}

std::string gate_text(const Gate& gate) {
  return verdict_text(gate.verdict) + ": " + (gate.reason.empty() ? gate.name : gate.reason);
}

std::vector<const Gate*> open_required_gates(const GateReport& gates) {
  std::vector<const Gate*> out;
  for (const Gate& gate : gates.gates)
    if (gate.required && gate.verdict != Verdict::pass) out.push_back(&gate);
  return out;
}

}  // namespace strop
