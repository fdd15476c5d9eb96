// Measurement -> GateReport: does the artifact keep what is asked of it?
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "strop/gate.h"
#include "strop/goal.h"
#include "strop/report.h"
#include "strop/result.h"
#include "strop/trial.h"

namespace strop {

enum class GateValue { metric, ratio_to_baseline, artifact_bytes };

struct GateRule {
  std::string id;
  std::string metric;
  Comparison comparison = Comparison::at_least;
  // A field of Thresholds or Limits; tolerance: by the recipe's precision; none: nothing measures
  // it yet.
  std::string threshold;
  GateValue value = GateValue::metric;
  std::string unit;            // after the number, in sentences
  bool needs_control = false;  // a timing: counts only if the same thing twice gave the same
  std::vector<std::string> required_by;  // profiles; a limit of the user is always required
  std::string reason;
};

// How far a sound artifact of so many bits per weight or more may be from the original.
struct Tolerance {
  double from_bits = 0;
  double kl = 0;  // nats, mean
};

struct GateRules {
  std::vector<Tolerance> tolerances;  // most bits first, the last from 0
  std::vector<GateRule> gates;
};

// Strict, as all of share/plan; the path is that of gates.json.
Result<GateRules> load_gate_rules(const std::filesystem::path& path);

// What the recipe's precision explains of a divergence: nats, mean.
double tolerance_for(const Recipe& recipe, const GateRules& rules);

// Pure. A gate passes only if the bad end of the interval meets the threshold; an interval on both
// sides of it is noisy, as is a timing without a control or whose control failed. Gates of limits
// that the user did not set are left out, and the tolerance of a metric that the baseline lacks.
GateReport judge(const Goal& goal, const Trial& candidate, const Trial& baseline,
                 const std::vector<Control>& controls, const GateRules& rules);

}  // namespace strop
