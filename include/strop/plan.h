// Which recipes are tried, in which order, and why.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "strop/recipe.h"

namespace strop {

struct Reason {
  std::string rule;  // id in share/plan
  std::string text;
  bool operator==(const Reason&) const = default;
};

struct Choice {
  std::string backend;
  std::uint32_t rank = 0;   // 1 is first
  double budget_share = 0;  // of the wall time for trials
  std::vector<Reason> reasons;
  std::string would_change;  // what would have moved it up
  bool operator==(const Choice&) const = default;
};

enum class Role { quality_reference, baseline, candidate };

struct PlannedTrial {
  Recipe recipe;
  Role role = Role::candidate;
  std::vector<RunPreset> run_presets;  // tried in this order; the best is measured in full
  bool operator==(const PlannedTrial&) const = default;
};

struct NotTried {
  std::string backend;
  std::string recipe;
  std::string reason;
  bool operator==(const NotTried&) const = default;
};

struct Plan {
  std::string id;
  std::vector<Choice> choices;
  std::vector<PlannedTrial> trials;  // in the order they run
  std::vector<NotTried> not_tried;
  std::vector<std::string> fallbacks;
  bool operator==(const Plan&) const = default;
};

}  // namespace strop
