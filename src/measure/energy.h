// Energy from the counters that the system has: RAPL's packages, or a battery that discharges. What
// the machine takes when idle is subtracted.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "measure/statistics.h"
#include "strop/result.h"

namespace strop::measure {

struct EnergyCounter {
  std::string name;            // package-0, BAT0
  std::filesystem::path file;  // its value
  double joules_per_count = 1e-6;
  std::optional<std::uint64_t> wraps_after;  // counts; the counter then begins at 0
  bool falls = false;                        // a battery's charge
};

// Every package under `sys`/class/powercap, else batteries under `sys`/class/power_supply that
// discharge; `sys` is /sys but in tests. not_found and io say why there is none, as people read it.
Result<std::vector<EnergyCounter>> find_counters(const std::filesystem::path& sys);

// The counts now, in the order of the counters.
Result<std::vector<std::uint64_t>> read_counters(std::span<const EnergyCounter> counters);

// Joules between two readings, one wrap of each counter allowed for.
double joules_between(std::span<const EnergyCounter> counters,
                      std::span<const std::uint64_t> before, std::span<const std::uint64_t> after);

// A stretch of time with and one without work.
struct EnergyWindow {
  double idle_watts = 0;
  double joules = 0;  // while working, all of the machine
  double seconds = 0;
  double tokens = 0;
};

// Joules per token beyond idle: the median over the windows with its interval. At least two windows
// with tokens; nothing otherwise.
std::optional<Estimate> joules_per_token(std::span<const EnergyWindow> windows,
                                         const Resampling& resampling = {});

}  // namespace strop::measure
