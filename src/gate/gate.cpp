#include "gate/gate.h"

#include <algorithm>
#include <cmath>

#include "core/json.h"
#include "core/units.h"
#include "strop/thresholds.h"

namespace strop {
namespace {

struct Observation {
  double value = 0;
  std::optional<Interval> interval;
  std::optional<double> baseline;
  bool noisy = false;
  std::string evidence_path;
};

enum class Doubt { none, no_control, control, noise, too_close };

RunOptions options_in_force(const Trial& trial) {
  return trial.measurement ? trial.measurement->run_options : RunOptions{};
}

std::optional<Control> control_of(const Trial& trial) {
  return trial.measurement ? trial.measurement->control : std::nullopt;
}

const Metric* metric_of(const Trial& trial, const std::string& name) {
  return trial.measurement ? find(*trial.measurement, name) : nullptr;
}

std::optional<Observation> observe_metric(const Trial& candidate, const std::string& name) {
  const Metric* metric = metric_of(candidate, name);
  if (!metric) return std::nullopt;
  return Observation{metric->value, metric->interval, std::nullopt, metric->noisy,
                     metric->samples_path};
}

// The interval assumes the worst of both.
std::optional<Observation> observe_ratio(const Trial& candidate, const Trial& baseline,
                                         const std::string& name) {
  const Metric* own = metric_of(candidate, name);
  const Metric* base = metric_of(baseline, name);
  if (!own || !base || !(base->value > 0)) return std::nullopt;
  Observation ratio{own->value / base->value, std::nullopt, base->value, own->noisy || base->noisy,
                    own->samples_path};
  if (own->interval || base->interval) {
    const Interval over = own->interval.value_or(Interval{own->value, own->value});
    const Interval under = base->interval.value_or(Interval{base->value, base->value});
    if (under.low > 0)
      ratio.interval = Interval{over.low / under.high, over.high / under.low, over.confidence};
  }
  return ratio;
}

std::optional<Observation> observe(const GateRule& rule, const Trial& candidate,
                                   const Trial& baseline) {
  switch (rule.value) {
    case GateValue::metric:
      return observe_metric(candidate, rule.metric);
    case GateValue::ratio_to_baseline:
      return observe_ratio(candidate, baseline, rule.metric);
    case GateValue::artifact_bytes:
      if (!candidate.artifact) return std::nullopt;
      // Its manifest has the size of every file.
      return Observation{static_cast<double>(candidate.artifact->total_bytes),
                         {},
                         {},
                         false,
                         candidate.artifact->folder + "/artifact.json"};
  }
  return std::nullopt;
}

template <class Number>
std::optional<double> as_number(const std::optional<Number>& value) {
  return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
}

std::string why_not_measured(const Trial& candidate, const std::string& metric) {
  if (!candidate.measurement) return "";
  const std::string reason = reason_not_measured(*candidate.measurement, metric);
  return reason.empty() ? "" : ": " + reason;
}

bool holds(const RunOptions& when, const RunOptions& in_force) {
  return std::all_of(when.begin(), when.end(), [&](const auto& option) {
    const auto found = in_force.find(option.first);
    return found != in_force.end() && found->second == option.second;
  });
}

std::optional<double> tolerance_for(const Recipe& recipe, const std::string& metric,
                                    const GateRules& rules, const RunOptions& in_force) {
  const auto row = std::find_if(
      rules.tolerances.begin(), rules.tolerances.end(), [&](const Tolerance& tolerance) {
        return recipe.bits_per_weight >= tolerance.from_bits && holds(tolerance.when, in_force);
      });
  const Tolerance& found = row == rules.tolerances.end() ? rules.tolerances.back() : *row;
  const auto most = found.most.find(metric);
  return most == found.most.end() ? std::nullopt : std::optional(most->second);
}

// With the metric that models of this kind are measured by: what either has, or says why not.
GateRule fitted(GateRule rule, const Trial& candidate, const Trial& baseline) {
  const auto is_known = [&](const std::string& name) {
    return metric_of(baseline, name) || metric_of(candidate, name) ||
           !why_not_measured(candidate, name).empty();
  };
  if (is_known(rule.metric)) return rule;
  const auto found = std::find_if(rule.alternatives.begin(), rule.alternatives.end(),
                                  [&](const Alternative& other) { return is_known(other.metric); });
  if (found == rule.alternatives.end()) return rule;
  rule.metric = found->metric;
  rule.unit = found->unit;
  return rule;
}

// Nothing for a limit that the user did not set.
std::optional<double> threshold_of(const std::string& name, const Goal& goal) {
  for (const ThresholdName& one : kThresholdNames)
    if (name == one.rule) return goal.thresholds.*one.field;
  if (name == "network_use") return 0;
  if (name == "size_bytes") return as_number(goal.limits.size_bytes);
  if (name == "memory_bytes") return as_number(goal.limits.memory_bytes);
  if (name == "latency_ms") return goal.limits.latency_ms;
  if (name == "energy_joules") return goal.limits.energy_joules;
  return std::nullopt;
}

bool is_limit(const std::string& threshold) {
  return threshold == "size_bytes" || threshold == "memory_bytes" || threshold == "latency_ms" ||
         threshold == "energy_joules";
}

bool is_required(const GateRule& rule, const Goal& goal) {
  if (is_limit(rule.threshold)) return true;
  const auto& profiles = rule.required_by;
  return std::find(profiles.begin(), profiles.end(), name_of(goal.profile)) != profiles.end();
}

bool meets(double value, Comparison comparison, double threshold) {
  return comparison == Comparison::at_least ? value >= threshold : value <= threshold;
}

// The same thing twice must look the same to within a third of what is claimed: that the bad end of
// the interval is away from no difference, or from the threshold where that is farther.
bool supports(const Control& control, const Observation& seen, Comparison comparison,
              double threshold) {
  const Interval range = seen.interval.value_or(Interval{seen.value, seen.value});
  const double bad = comparison == Comparison::at_least ? range.low : range.high;
  const double claim = std::max(std::abs(bad - 1), std::abs(bad - threshold));
  return (control.interval.high - control.interval.low) / 2 <= claim / 3;
}

bool misses_entirely(const Observation& seen, Comparison comparison, double threshold) {
  return seen.interval && !meets(seen.interval->low, comparison, threshold) &&
         !meets(seen.interval->high, comparison, threshold);
}

bool straddles(const Observation& seen, Comparison comparison, double threshold) {
  return seen.interval && meets(seen.interval->low, comparison, threshold) !=
                              meets(seen.interval->high, comparison, threshold);
}

Doubt doubt_about(const GateRule& rule, const Observation& seen, double threshold,
                  const std::optional<Control>& control) {
  if (rule.needs_control && !control) return Doubt::no_control;
  if (rule.needs_control && !control->contains_one) return Doubt::control;
  // However wide, an interval with nothing of it on the right side is an answer.
  if (misses_entirely(seen, rule.comparison, threshold)) return Doubt::none;
  if (rule.needs_control && !supports(*control, seen, rule.comparison, threshold))
    return Doubt::control;
  if (straddles(seen, rule.comparison, threshold)) return Doubt::too_close;
  return seen.noisy ? Doubt::noise : Doubt::none;
}

Verdict verdict_on(const Observation& seen, Comparison comparison, double threshold, Doubt doubt) {
  if (doubt != Doubt::none) return Verdict::noisy;
  return meets(seen.value, comparison, threshold) ? Verdict::pass : Verdict::fail;
}

std::string quantity(double value, const std::string& unit) {
  return unit == "bytes" ? bytes_text(static_cast<std::uint64_t>(std::max(0.0, value)))
                         : number_text(value);
}

std::string range_text(const Observation& seen, const std::string& unit) {
  if (!seen.interval) return "";
  return str(" (", quantity(seen.interval->low, unit), " to ", quantity(seen.interval->high, unit),
             ")");
}

const char* doubt_text(Doubt doubt) {
  switch (doubt) {
    case Doubt::no_control:
      return "; without a control, the same thing twice, this proves nothing";
    case Doubt::control:
      return "; the control, the same thing twice, did not agree well enough with itself, so this "
             "proves nothing";
    case Doubt::noise:
      return "; the measurement is too noisy to tell";
    case Doubt::too_close:
      return "; the interval has both sides of it, so it is too close to tell";
    case Doubt::none:
      break;
  }
  return "";
}

// As a share of the threshold; empty where only the interval misses.
std::string distance_text(const Observation& seen, Comparison comparison, double threshold) {
  if (threshold == 0 || meets(seen.value, comparison, threshold)) return "";
  const double share = std::abs(seen.value - threshold) / std::abs(threshold);
  return str(": missed by ", number_text(std::max(1.0, std::round(share * 100))), " %");
}

std::string sentence(const GateRule& rule, const Observation& seen, double threshold,
                     Verdict verdict, Doubt doubt) {
  const bool has_word = !rule.unit.empty() && rule.unit != "bytes";
  return str(rule.id, " is ", quantity(seen.value, rule.unit), has_word ? " " + rule.unit : "",
             range_text(seen, rule.unit), ", asked is at ",
             rule.comparison == Comparison::at_least ? "least " : "most ",
             quantity(threshold, rule.unit),
             verdict == Verdict::fail ? distance_text(seen, rule.comparison, threshold) : "",
             doubt_text(doubt));
}

Gate gate_of(const GateRule& rule, const Goal& goal, const Trial& candidate, const Trial& baseline,
             const GateRules& rules) {
  Gate gate{.name = rule.id,
            .metric = rule.metric,
            .comparison = rule.comparison,
            .required = is_required(rule, goal)};
  const auto threshold = rule.threshold == "tolerance"
                             ? divergence_limit(candidate.recipe, rule.metric, goal, rules,
                                                options_in_force(candidate))
                             : threshold_of(rule.threshold, goal);
  if (!threshold) {
    gate.reason = str(rule.id, " has no limit for ", rule.metric);
    return gate;
  }
  gate.threshold = *threshold;
  const auto seen = observe(rule, candidate, baseline);
  if (!seen) {
    gate.reason = str(rule.id, " was not measured", why_not_measured(candidate, rule.metric));
    return gate;
  }
  const Doubt doubt = doubt_about(rule, *seen, *threshold, control_of(candidate));
  gate.observed = seen->value;
  gate.interval = seen->interval;
  gate.baseline = seen->baseline;
  gate.verdict = verdict_on(*seen, rule.comparison, *threshold, doubt);
  gate.evidence_path = seen->evidence_path;
  gate.reason = sentence(rule, *seen, *threshold, gate.verdict, doubt);
  return gate;
}

// Where nothing may stay open, what is open has failed.
void be_strict(Gate& gate) {
  if (gate.verdict != Verdict::noisy && gate.verdict != Verdict::not_measured) return;
  gate.verdict = Verdict::fail;
  gate.reason += "; in the profile strict that is a failure";
}

}  // namespace

std::optional<double> divergence_limit(const Recipe& recipe, const std::string& metric,
                                       const Goal& goal, const GateRules& rules,
                                       const RunOptions& in_force) {
  if (metric == "kl_mean" && goal.thresholds.conversion_kl) return goal.thresholds.conversion_kl;
  return tolerance_for(recipe, metric, rules, in_force);
}

Verdict within_tolerance(const Recipe& recipe, const Metric& distance, const Goal& goal,
                         const GateRules& rules, const RunOptions& in_force) {
  const auto most = divergence_limit(recipe, distance.metric, goal, rules, in_force);
  if (!most) return Verdict::not_measured;
  const Observation seen{distance.value, distance.interval, std::nullopt, distance.noisy, {}};
  const Doubt doubt = straddles(seen, Comparison::at_most, *most) ? Doubt::too_close : Doubt::none;
  return verdict_on(seen, Comparison::at_most, *most, doubt);
}

GateReport judge(const Goal& goal, const Trial& candidate, const Trial& baseline,
                 const GateRules& rules) {
  GateReport report{.trial_id = candidate.id,
                    .artifact_id = candidate.artifact ? candidate.artifact->id : ""};
  for (const GateRule& general : rules.gates) {
    const GateRule rule = fitted(general, candidate, baseline);
    if (is_limit(rule.threshold) && !threshold_of(rule.threshold, goal)) continue;
    // Models of other kinds are judged by another ruler, the baseline among them.
    if (rule.threshold == "tolerance" && !metric_of(baseline, rule.metric)) continue;
    report.gates.push_back(gate_of(rule, goal, candidate, baseline, rules));
    if (goal.profile == Profile::strict) be_strict(report.gates.back());
  }
  report.passed = std::all_of(report.gates.begin(), report.gates.end(), [](const Gate& gate) {
    return !gate.required || gate.verdict == Verdict::pass;
  });
  return report;
}

}  // namespace strop
