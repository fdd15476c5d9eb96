// The verdict before the work: what can run, what it would need, and why not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "strop/measurement.h"
#include "strop/recipe.h"

namespace strop {

// A backend's own opinion.
struct Fit {
  bool supported = false;
  double score = 0;  // 0..1, how well it serves this model on this target
  std::vector<std::string> reasons;
  std::string untimed_reason;  // not empty: times taken here would say nothing of the target
  bool operator==(const Fit&) const = default;
};

struct BackendFit {
  std::string backend;
  std::string version;
  Fit fit;
  RecipeSpace space;  // empty when not supported
  bool operator==(const BackendFit&) const = default;
};

struct Assessment {
  std::string model_id;
  std::string target_id;
  std::string strategy;         // result of the first rule that fits, and
  std::string strategy_reason;  // why
  std::vector<BackendFit> fits;
  std::optional<std::uint64_t> memory_estimate_bytes;  // to run the original unquantised
  Bottleneck bottleneck = Bottleneck::bandwidth;       // predicted for decoding
  std::vector<std::string> warnings;
  bool operator==(const Assessment&) const = default;
};

}  // namespace strop
