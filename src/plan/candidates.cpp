#include "plan/candidates.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>

#include "core/units.h"

namespace strop::plan {
namespace {

struct Slot {
  std::size_t round = 0;  // how many of the backend's recipes in the same band come before it
  std::size_t band = 0;
  std::size_t rank = 0;
  Candidate candidate;
};

bool contains(const Band& band, double bits) {
  return band.from_bits <= bits && bits < band.to_bits;
}

std::size_t band_of(double bits, const std::vector<Band>& bands) {
  const auto found = std::find_if(bands.begin(), bands.end(),
                                  [&](const Band& band) { return contains(band, bits); });
  return static_cast<std::size_t>(found - bands.begin());
}

// The bands with the one first that the platform's quantisation rule wants on this backend.
std::vector<Band> bands_for(const std::string& backend, const Facts& facts, const Rules& rules) {
  std::vector<Band> bands = rules.bands;
  for (const QuantisationRule& rule : rules.quantisation) {
    if (!holds(rule.preference.when, facts)) continue;
    const auto& names = rule.preference.backends;
    const auto first = bands.begin() + static_cast<std::ptrdiff_t>(band_of(rule.bits, bands));
    if (std::find(names.begin(), names.end(), backend) != names.end() && first != bands.end())
      std::rotate(bands.begin(), first, first + 1);
    break;
  }
  return bands;
}

std::uint32_t cores_of(const Goal& goal, const Target& target) {
  if (goal.workload.threads > 0) return goal.workload.threads;
  for (const Device& device : target.devices) {
    if (device.kind == DeviceKind::cpu && device.cores) return std::max(1u, *device.cores);
  }
  return 1;
}

std::string above(std::uint64_t least, const std::string& limit, std::uint64_t bytes) {
  return str("its weights alone take about ", bytes_text(least), ", more than the ", limit, " of ",
             bytes_text(bytes));
}

}  // namespace

std::vector<Candidate> in_order_of_use(const std::vector<BackendFit>& fits,
                                       const std::string& reference_backend, const Facts& facts,
                                       const Rules& rules) {
  std::vector<Slot> slots;
  for (std::size_t rank = 0; rank < fits.size(); ++rank) {
    const BackendFit& fit = fits[rank];
    const std::vector<Band> bands = bands_for(fit.backend, facts, rules);
    std::map<std::size_t, std::size_t> rounds;
    for (const Recipe& recipe : fit.space.recipes) {
      if (recipe.lossless && fit.backend == reference_backend) continue;
      const std::size_t band =
          recipe.lossless ? bands.size() : band_of(recipe.bits_per_weight, bands);
      slots.push_back({rounds[band]++, band, rank, {fit.backend, recipe}});
    }
  }
  std::stable_sort(slots.begin(), slots.end(), [](const Slot& one, const Slot& other) {
    return std::tie(one.round, one.band, one.rank) < std::tie(other.round, other.band, other.rank);
  });
  std::vector<Candidate> candidates;
  for (Slot& slot : slots) candidates.push_back(std::move(slot.candidate));
  return candidates;
}

std::optional<std::uint64_t> least_bytes(const Recipe& recipe, const Model& model,
                                         const Rules& rules) {
  if (!model.parameter_count) return std::nullopt;
  const double nominal = recipe.bits_per_weight * static_cast<double>(*model.parameter_count) / 8;
  return static_cast<std::uint64_t>(nominal * (1 - rules.effort.size_margin));
}

std::optional<std::string> broken_limit(const Recipe& recipe, const Goal& goal, const Model& model,
                                        const Target& target, const Rules& rules) {
  const auto least = least_bytes(recipe, model, rules);
  if (!least) return std::nullopt;
  const Limits& limits = goal.limits;
  if (limits.size_bytes && *least > *limits.size_bytes)
    return above(*least, "size limit", *limits.size_bytes);
  if (limits.memory_bytes && *least > *limits.memory_bytes)
    return above(*least, "memory limit", *limits.memory_bytes);
  if (target.memory_bytes > 0 && *least > target.memory_bytes)
    return above(*least, "target's memory", target.memory_bytes);
  return std::nullopt;
}

double seconds_per_trial(const Goal& goal, const Model& model, const Target& target,
                         const Rules& rules) {
  const Effort& effort = rules.effort;
  // Without a count: weights of two bytes, the usual.
  const double parameters = model.parameter_count ? static_cast<double>(*model.parameter_count)
                                                  : static_cast<double>(model.weight_bytes) / 2;
  const double operations = effort.tokens * effort.operations_per_parameter_and_token * parameters;
  return effort.start_seconds +
         operations / (cores_of(goal, target) * effort.operations_per_second_and_core);
}

std::size_t affordable(const Goal& goal, const Model& model, const Target& target,
                       std::size_t backends, const Rules& rules) {
  constexpr double kBaselineAndReference = 2;
  constexpr double kMost = 1e6;
  const double paid = goal.budget.wall_seconds / seconds_per_trial(goal, model, target, rules) -
                      kBaselineAndReference;
  // One more than a backend each: the unquantised candidate tells tuning from quantisation.
  const auto count = std::max(static_cast<std::size_t>(std::clamp(paid, 0.0, kMost)), backends + 1);
  return goal.budget.trials ? std::min<std::size_t>(count, *goal.budget.trials) : count;
}

std::vector<Candidate> one_of_each_first(std::vector<Candidate> candidates) {
  std::set<std::string> seen;
  std::vector<Candidate> first, rest;
  for (Candidate& candidate : candidates)
    (seen.insert(candidate.backend).second ? first : rest).push_back(std::move(candidate));
  first.insert(first.end(), std::make_move_iterator(rest.begin()),
               std::make_move_iterator(rest.end()));
  return first;
}

}  // namespace strop::plan
