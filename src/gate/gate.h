// Measurement -> GateReport: does the artifact keep what is asked of it?
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "strop/gate.h"
#include "strop/goal.h"
#include "strop/report.h"
#include "strop/result.h"
#include "strop/trial.h"

namespace strop {

enum class GateValue { metric, ratio_to_baseline, artifact_bytes };

// What stands in for a metric that models of another kind do not have.
struct Alternative {
  std::string metric;
  std::string unit;
};

struct GateRule {
  std::string id;
  std::string metric;
  std::vector<Alternative> alternatives;  // the first that the baseline was measured by
  Comparison comparison = Comparison::at_least;
  // A field of Thresholds or Limits; tolerance: by the recipe's precision; network_use: none.
  std::string threshold;
  GateValue value = GateValue::metric;
  std::string unit;            // after the number, in sentences
  bool needs_control = false;  // a timing: counts only if the same thing twice gave the same
  std::vector<std::string> required_by;  // profiles; a limit of the user is always required
  std::string reason;
};

// How far a sound artifact of so many bits per weight or more may be from the original, where the
// run options in force have these values.
struct Tolerance {
  double from_bits = 0;
  RunOptions when;
  std::map<std::string, double> most;  // by metric: kl_mean, noise_ratio
};

struct GateRules {
  std::vector<Tolerance>
      tolerances;  // most bits first, the last from 0; the first that fits counts
  std::vector<GateRule> gates;
};

// Strict, as all of share/plan; the path is that of gates.json.
Result<GateRules> load_gate_rules(const std::filesystem::path& path);

// The goal's own limit of the divergence from the original, else what the recipe's precision and
// that of the computation under the run options in force explain; nothing when none is stated for
// the metric.
std::optional<double> divergence_limit(const Recipe& recipe, const std::string& metric,
                                       const Goal& goal, const GateRules& rules,
                                       const RunOptions& in_force);

// Pure. Whether the distance from the original is within that limit: noisy when its interval has
// both sides of it, not_measured when there is none for the metric.
Verdict within_tolerance(const Recipe& recipe, const Metric& distance, const Goal& goal,
                         const GateRules& rules, const RunOptions& in_force);

// Pure. A gate passes only if the bad end of the interval meets the threshold; an interval on both
// sides of it is noisy, as is a timing whose rounds had no control or one that failed. Gates of
// limits that the user did not set are left out, and the tolerance of a metric that the baseline
// lacks. In the profile strict every gate is required, and noisy and not measured are failures.
GateReport judge(const Goal& goal, const Trial& candidate, const Trial& baseline,
                 const GateRules& rules);

}  // namespace strop
