// Which recipes are candidates, the most useful first.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plan/rules.h"
#include "strop/assessment.h"
#include "strop/goal.h"
#include "strop/model.h"
#include "strop/plan.h"
#include "strop/target.h"

namespace strop::plan {

struct Candidate {
  std::string backend;
  Recipe recipe;
};

// Quantised recipes interleaved over the backends by rank, band by band, then the unquantised ones
// of backends other than the reference engine. `fits` in order of rank.
std::vector<Candidate> in_order_of_use(const std::vector<BackendFit>& fits,
                                       const std::string& reference_backend, const Facts& facts,
                                       const Rules& rules);

// Least bytes that weights of this recipe can take; nothing when the model does not say how many it
// has.
std::optional<std::uint64_t> least_bytes(const Recipe& recipe, const Model& model,
                                         const Rules& rules);

// Why the recipe cannot meet a limit of the user or the memory of the target; nothing when it may.
std::optional<std::string> broken_limit(const Recipe& recipe, const Goal& goal, const Model& model,
                                        const Target& target, const Rules& rules);

// Seconds that one trial is predicted to take.
double seconds_per_trial(const Goal& goal, const Model& model, const Target& target,
                         const Rules& rules);

// How many candidates the budget pays for beside baseline and quality reference; at least one per
// backend, at most what the user allows.
std::size_t affordable(const Goal& goal, const Model& model, const Target& target,
                       std::size_t backends, const Rules& rules);

// The first candidate of each backend in front, the others behind; else the order stays.
std::vector<Candidate> one_of_each_first(std::vector<Candidate> candidates);

}  // namespace strop::plan
