#include "report/recommendations.h"

#include <algorithm>
#include <optional>

#include "report/summary.h"

namespace strop {
namespace {

std::string figure_of(const Trial& trial, std::string_view metric) {
  const Metric* found = overall(trial, metric);
  return found ? full_text(quantity(*found)) : "not measured";
}

// Where whole intervals would hide the comparison.
std::string short_figure_of(const Trial& trial, std::string_view metric) {
  const Metric* found = overall(trial, metric);
  return !found         ? "not measured"
         : found->noisy ? noisy_text(quantity(*found))
                        : value_text(quantity(*found));
}

std::string sentence_list(const std::vector<std::string>& items) {
  std::string text;
  for (std::size_t i = 0; i < items.size(); ++i)
    text += (i == 0 ? "" : i + 1 == items.size() ? " and " : ", ") + items[i];
  return text;
}

std::string size_text(const Trial& trial) {
  return trial.artifact ? value_text(bytes_quantity(trial.artifact->total_bytes)) : "unknown size";
}

Recommendation nothing_to_ship(const Report& report) {
  const std::string why =
      report.front && !report.front->why.empty() ? ": " + report.front->why : ".";
  return {"Keep the original for now", "No artifact can be recommended from this run" + why};
}

Recommendation what_to_ship(const Report& report, const Row& row) {
  const Trial& trial = *row.trial;
  std::string text = size_text(trial) + "; accuracy " + figure_of(trial, "accuracy") +
                     " of the original; speed " + figure_of(trial, "speedup") +
                     " of the baseline; peak memory " + figure_of(trial, "peak_memory") + ".";
  if (!report.front->why.empty()) text += " Why: " + report.front->why + ".";
  const bool blocked = row.gates && !row.gates->passed;
  return {(blocked ? "Best candidate, not yet ready: " : "Ship ") + trial_text(trial), text};
}

std::optional<Recommendation> open_gates(const Row& row) {
  if (!row.gates) return std::nullopt;
  std::string text;
  for (const Gate* gate : open_required_gates(*row.gates))
    text += (text.empty() ? "" : " ") + gate_text(*gate) + ".";
  if (text.empty()) return std::nullopt;
  return Recommendation{"Settle the open gates first",
                        text +
                            " Do not promote the artifact until these pass, or until "
                            "somebody accepts them by name."};
}

// The best of the front in one figure, when that is not the recommended one.
const Row* best(const Summary& summary, std::string_view metric, bool maximise) {
  const Row* best = nullptr;
  double best_value = 0;
  for (const Row& row : summary.rows) {
    if (!row.on_front) continue;
    const Metric* found = overall(*row.trial, metric);
    if (!found || found->noisy) continue;
    if (!best || (maximise ? found->value > best_value : found->value < best_value)) {
      best = &row;
      best_value = found->value;
    }
  }
  return best == summary.recommended ? nullptr : best;
}

struct Wish {
  std::string_view metric;
  bool maximise;
  std::string_view words;
};

std::string trade_off(const Wish& wish, const Row& other, const Trial& recommended) {
  std::string text = "If " + std::string(wish.words) +
                     " matters most: " + trial_text(*other.trial) + ", " +
                     short_figure_of(*other.trial, wish.metric) + " instead of " +
                     short_figure_of(recommended, wish.metric) + ", at accuracy " +
                     short_figure_of(*other.trial, "accuracy") + " and speed " +
                     short_figure_of(*other.trial, "speedup");
  std::vector<std::string> open;
  if (other.gates)
    for (const Gate* gate : open_required_gates(*other.gates)) open.push_back(gate->name);
  return text + (open.empty() ? ". " : "; open gates: " + sentence_list(open) + ". ");
}

Recommendation trade_offs(const Summary& summary) {
  constexpr Wish kWishes[] = {{"speedup", true, "speed of the whole request"},
                              {"kl_mean", false, "staying close to the original"},
                              {"noise_ratio", false, "staying close to the original"},
                              {"peak_memory", false, "memory"},
                              {"time_to_first_token", false, "the first token"},
                              {"throughput", true, "throughput"}};
  std::string text;
  for (const Wish& wish : kWishes) {
    const Row* other = best(summary, wish.metric, wish.maximise);
    if (other) text += trade_off(wish, *other, *summary.recommended->trial);
  }
  if (text.empty())
    text = "Nothing on the front is better than the recommended artifact in any measured figure. ";
  text.pop_back();
  return {"What the alternatives give and cost", text};
}

std::optional<Recommendation> tuning_or_quantisation(const Summary& summary) {
  if (!summary.recommended->over_unquantised) return std::nullopt;
  const std::string name = trial_text(*summary.fastest_unquantised);
  const std::string ratio = full_text(*summary.recommended->over_unquantised);
  return Recommendation{
      "How much of the speed is quantisation",
      summary.unquantised_searched
          ? "Against the fastest unquantised artifact (" + name + ") the speed is " + ratio +
                "; the rest comes from framework and run options."
          : "Not known: the speed is " + ratio + " against " + name +
                " with its engine's own run options, and whether others make that faster was not "
                "tried. A larger --budget tries them."};
}

Recommendation deployment(const Trial& trial, bool of_text) {
  std::string text;
  if (trial.artifact)
    text += "Copy the whole folder " + trial.artifact->folder + ": " + trial.artifact->entry +
            " (" + trial.artifact->format + ") with " + (of_text ? "its tokenizer and " : "") +
            "golden outputs, which strop verify checks where it arrives. ";
  text += "Run it on " + trial.recipe.backend;
  if (trial.measurement) text += " " + trial.measurement->conditions.engine_version;
  std::vector<std::string> options;
  for (const auto& [name, value] :
       trial.measurement ? trial.measurement->run_options : trial.run_options)
    options.push_back(str(name, "=", value));
  text += options.empty() ? " with default options." : " with " + sentence_list(options) + ".";
  if (const Metric* memory = overall(trial, "peak_memory")) {
    Metric reserve = *memory;
    reserve.value *= 1.25;
    text += " Reserve " + value_text(quantity(reserve)) +
            " of memory: the measured peak and a quarter.";
  }
  if (trial.measurement && !trial.measurement->conditions.cpu_variant.empty())
    text += " Figures hold for CPU variant " + trial.measurement->conditions.cpu_variant +
            "; measure again where the hardware differs.";
  return {"How to deploy it", text};
}

// An alert must not ring for what the measurement itself has seen.
std::optional<Alert> alert_on(const Trial& trial, std::string_view metric) {
  const Metric* found = overall(trial, metric);
  if (!found || found->noisy) return std::nullopt;
  return Alert{.metric = found->metric,
               .unit = found->unit,
               .above = found->interval ? found->interval->high : found->value,
               .has_interval = found->interval.has_value()};
}

std::string alert_text(const Trial& trial, const Alert& alert) {
  const Quantity seen = quantity(*overall(trial, alert.metric));
  if (!seen.interval) return value_text(seen) + " (as measured; no interval)";
  return fixed(seen.interval->high, decimals(seen.value, seen.interval)) +
         (seen.unit.empty() ? "" : " " + seen.unit);
}

Recommendation monitoring(const Report& report, const Trial& trial) {
  std::vector<std::string> alerts;
  std::string missing;
  for (const Sought& watched : wording(report).watched) {
    const std::string words(watched.words);
    if (const auto alert = alert_on(trial, watched.metric))
      alerts.push_back(words + " above " + alert_text(trial, *alert));
    else
      missing += (missing.empty() ? "" : ", ") + words;
  }
  const std::string request = " One request is " + request_words(report) + ".";
  std::string text =
      alerts.empty() ? "No threshold could be derived." : "Alert on " + sentence_list(alerts) + ".";
  text +=
      " These are the upper ends of the measured intervals. Any mismatch of the golden outputs and "
      "any error of "
      "the engine is an alert at once.";
  text += request;
  if (!missing.empty()) text += " No threshold could be measured for: " + missing + ".";
  return {"What to monitor", text};
}

}  // namespace

std::vector<Recommendation> recommendations(const Report& report) {
  const Summary summary = summarise(report);
  if (!summary.recommended) return {nothing_to_ship(report)};
  const Row& row = *summary.recommended;
  std::vector<Recommendation> out{what_to_ship(report, row)};
  if (auto open = open_gates(row)) out.push_back(*open);
  out.push_back(trade_offs(summary));
  if (auto share = tuning_or_quantisation(summary)) out.push_back(*share);
  out.push_back(deployment(*row.trial, !report.model || report.model->inputs.empty()));
  out.push_back(monitoring(report, *row.trial));
  return out;
}

std::vector<Alert> alerts(const Report& report) {
  const Summary summary = summarise(report);
  std::vector<Alert> found;
  if (!summary.recommended) return found;
  for (const Sought& watched : wording(report).watched) {
    if (auto alert = alert_on(*summary.recommended->trial, watched.metric))
      found.push_back(*std::move(alert));
  }
  return found;
}

}  // namespace strop
