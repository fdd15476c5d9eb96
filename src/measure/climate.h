// What may slow a processor down while we measure: its clock, its temperature, and how often it
// throttled itself.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>

#include "strop/measurement.h"

namespace strop::measure {

struct Climate {
  std::optional<double> frequency_mhz;           // mean of the cores
  std::optional<double> temperature_c;           // highest of the zones
  std::optional<std::uint64_t> throttle_events;  // of all cores, since the machine started
  bool operator==(const Climate&) const = default;
};

// From `sys`/devices/system/cpu and `sys`/class/thermal; `sys` is /sys but in tests. What the
// system does not tell is absent.
Climate read_climate(const std::filesystem::path& sys);

// Readings in order, into the conditions of what was measured between the first and the last.
void note(std::span<const Climate> readings, Conditions& conditions);

// Why the figures may be those of a slower machine; empty when nothing speaks for it.
std::string climate_warning(const Conditions& conditions);

}  // namespace strop::measure
