#include "search/recommend.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <tuple>

#include "core/units.h"
#include "search/pareto.h"

namespace strop {
namespace {

constexpr double kAccuracyUnit = 0.05;  // as much as the usual gate lets go
constexpr double kPreferredWeight = 4;  // times the user's weight
constexpr double kUnmeasured = 1;       // as far as a gate that is missed by a factor of two

struct Judged {
  const Trial* trial = nullptr;
  const GateReport* gates = nullptr;
  double shortfall = 0;
  double score = 0;
};

double bad_end(double value, const std::optional<Interval>& interval, Comparison comparison) {
  if (!interval) return value;
  return comparison == Comparison::at_least ? interval->low : interval->high;
}

std::optional<double> pessimistic(const Trial& trial, const char* metric, Comparison comparison) {
  const Metric* found = trial.measurement ? find(*trial.measurement, metric) : nullptr;
  if (!found) return std::nullopt;
  return bad_end(found->value, found->interval, comparison);
}

// Doublings from `from` to `to`; 0 where there is no such thing.
double doublings(double from, double to) { return from > 0 && to > 0 ? std::log2(to / from) : 0; }

double weight(double given, const char* name, const Goal& goal) {
  return goal.prefer == name ? given * kPreferredWeight : given;
}

double miss(const Gate& gate) {
  if (!gate.required || gate.verdict == Verdict::pass) return 0;
  if (!gate.observed) return kUnmeasured;
  const double observed = bad_end(*gate.observed, gate.interval, gate.comparison);
  const double away = gate.comparison == Comparison::at_least ? gate.threshold - observed
                                                              : observed - gate.threshold;
  if (gate.metric == "accuracy") return std::max(0.0, away / kAccuracyUnit);
  if (away <= 0) return 0;
  // Nothing is a factor away from zero or below it.
  if (observed <= 0 || gate.threshold <= 0) return kUnmeasured + std::abs(away);
  return std::abs(doublings(gate.threshold, observed));
}

const GateReport* gates_of(const Trial& trial, const std::vector<GateReport>& gates) {
  const auto found = std::find_if(gates.begin(), gates.end(), [&](const GateReport& report) {
    return report.trial_id == trial.id;
  });
  return found == gates.end() ? nullptr : &*found;
}

// Those that pass first, the better score first; then by how little they miss.
bool is_better(const Judged& one, const Judged& other) {
  const auto key = [](const Judged& judged) {
    return std::tuple(!judged.gates->passed, judged.gates->passed ? 0 : judged.shortfall,
                      -judged.score, judged.trial->id);
  };
  return key(one) < key(other);
}

std::vector<Judged> best_first(const std::vector<Trial>& trials,
                               const std::vector<GateReport>& gates, const Goal& goal,
                               const Model& model) {
  const Trial* const baseline = find_trial(trials, Role::baseline);
  std::vector<Judged> judged;
  for (const Trial& trial : trials) {
    const GateReport* own = gates_of(trial, gates);
    if (!own || !may_be_shipped(trial, model)) continue;
    judged.push_back(
        {&trial, own, shortfall(*own), score(trial, baseline ? *baseline : trial, goal)});
  }
  std::sort(judged.begin(), judged.end(), is_better);
  return judged;
}

std::string name_of_trial(const Trial& trial) {
  const bool plain = trial.run_preset.empty() || trial.run_preset == "default";
  return trial.recipe.backend + " " + trial.recipe.name + (plain ? "" : " " + trial.run_preset);
}

std::string figures_of(const Trial& trial) {
  std::string text;
  const auto add = [&](const char* metric, const char* before, const char* after) {
    if (const auto value = value_of(trial, metric))
      text += str(text.empty() ? "" : ", ", before, number_text(*value), after);
  };
  add("speedup", "", "x the baseline's speed");
  add("accuracy", "accuracy ", "");
  if (const auto bytes = value_of(trial, "peak_memory"))
    text +=
        str(text.empty() ? "" : ", ", bytes_text(static_cast<std::uint64_t>(*bytes)), " at peak");
  return text.empty() ? "nothing measured" : text;
}

std::string open_gates(const GateReport& gates) {
  std::vector<std::string> names;
  for (const Gate& gate : gates.gates) {
    if (gate.required && gate.verdict != Verdict::pass) names.push_back(gate.name);
  }
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i)
    text += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
  return text;
}

std::string by_which_weights(const Goal& goal) {
  return goal.prefer.empty() ? "by the weights of speed, accuracy and memory"
                             : str("with ", goal.prefer, " preferred");
}

std::string why_it_passes(const Judged& best, const Judged* next, const Goal& goal) {
  const std::string figures = figures_of(*best.trial);
  if (!next)
    return str("the only artifact that may be shipped and was judged; it passes: ", figures);
  const std::string runner_up = name_of_trial(*next->trial);
  if (!next->gates->passed)
    return str("the only one that passes every required gate: ", figures, "; the nearest other, ",
               runner_up, ", misses ", open_gates(*next->gates));
  return str("of those that pass every required gate the best ", by_which_weights(goal), ": ",
             figures, "; next is ", runner_up, ": ", figures_of(*next->trial));
}

std::string why_it_fails_least(const Judged& best, const Judged* next) {
  std::string text = str("no artifact passes every required gate; this one is nearest, but misses ",
                         open_gates(*best.gates));
  if (next)
    text +=
        str("; next is ", name_of_trial(*next->trial), ", which misses ", open_gates(*next->gates));
  return text;
}

}  // namespace

double score(const Trial& trial, const Trial& baseline, const Goal& goal) {
  double total = 0;
  if (const auto speedup = pessimistic(trial, "speedup", Comparison::at_least))
    total += weight(goal.weights.speed, "speed", goal) * doublings(1, *speedup);
  // Without a figure the accuracy counts as at the edge of what the gate lets through.
  const double accuracy =
      pessimistic(trial, "accuracy", Comparison::at_least).value_or(1 - kAccuracyUnit);
  total += weight(goal.weights.accuracy, "accuracy", goal) * (accuracy - 1) / kAccuracyUnit;
  const auto memory = pessimistic(trial, "peak_memory", Comparison::at_most);
  const auto original = value_of(baseline, "peak_memory");
  if (memory && original)
    total += weight(goal.weights.memory, "memory", goal) * doublings(*memory, *original);
  return total;
}

double shortfall(const GateReport& gates) {
  double total = 0;
  for (const Gate& gate : gates.gates) total += miss(gate);
  return total;
}

Front recommend(Front front, const std::vector<Trial>& trials, const std::vector<GateReport>& gates,
                const Goal& goal, const Model& model) {
  const std::vector<Judged> judged = best_first(trials, gates, goal, model);
  if (judged.empty()) {
    front.why = "no candidate was measured and judged";
    return front;
  }
  const Judged& best = judged.front();
  const Judged* next = judged.size() > 1 ? &judged[1] : nullptr;
  front.recommended_id = best.trial->id;
  front.why = best.gates->passed ? why_it_passes(best, next, goal) : why_it_fails_least(best, next);
  return front;
}

}  // namespace strop
