// Quality gates: a rule, what was observed, and the verdict.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "strop/measurement.h"

namespace strop {

enum class Comparison { at_least, at_most };
enum class Verdict { pass, fail, not_measured, noisy };

struct Gate {
  std::string name;  // accuracy, speed, memory, ...
  std::string metric;
  Comparison comparison = Comparison::at_least;
  double threshold = 0;
  bool required = false;  // by the profile or by a limit of the user
  std::optional<double> observed;
  std::optional<Interval> interval;
  std::optional<double> baseline;  // the value it is relative to
  Verdict verdict = Verdict::not_measured;
  std::string evidence_path;
  std::string reason;  // one sentence, also when it passes
  bool operator==(const Gate&) const = default;
};

struct GateReport {
  std::string trial_id;
  std::string artifact_id;
  std::vector<Gate> gates;
  bool passed = false;  // every required gate passes
  bool operator==(const GateReport&) const = default;
};

}  // namespace strop
