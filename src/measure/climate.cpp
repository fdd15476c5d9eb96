#include "measure/climate.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>
#include <vector>

#include "core/units.h"
#include "strop/result.h"

namespace fs = std::filesystem;

namespace strop::measure {
namespace {

constexpr double kNotableDrop = 0.1;
constexpr double kHot = 95;

std::optional<double> number_in(const fs::path& file) {
  std::ifstream in(file);
  std::string word;
  word.reserve(64);
  for (char c = 0; word.size() < 63 && in.get(c) && c != '\n';) word += c;
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return {};
  return value;
}

bool is_numbered(const std::string& name, const std::string& prefix) {
  return name.starts_with(prefix) && name.size() > prefix.size() &&
         name.find_first_not_of("0123456789", prefix.size()) == std::string::npos;
}

std::vector<fs::path> numbered(const fs::path& folder, const std::string& prefix) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (is_numbered(entry.path().filename().string(), prefix)) found.push_back(entry.path());
  return found;
}

}  // namespace

Climate read_climate(const fs::path& sys) {
  Climate climate;
  double frequencies = 0;
  std::size_t cores = 0;
  for (const fs::path& cpu : numbered(sys / "devices/system/cpu", "cpu")) {
    if (const auto khz = number_in(cpu / "cpufreq/scaling_cur_freq"); khz && *khz > 0)
      frequencies += *khz / 1000, ++cores;
    if (const auto events = number_in(cpu / "thermal_throttle/core_throttle_count");
        events && *events >= 0)
      climate.throttle_events =
          climate.throttle_events.value_or(0) + static_cast<std::uint64_t>(*events);
  }
  if (cores > 0) climate.frequency_mhz = frequencies / static_cast<double>(cores);
  for (const fs::path& zone : numbered(sys / "class/thermal", "thermal_zone")) {
    // Sensors that are not there read as absurd values.
    if (const auto milli = number_in(zone / "temp"); milli && *milli > -50e3 && *milli < 200e3)
      climate.temperature_c = std::max(climate.temperature_c.value_or(-50), *milli / 1000);
  }
  return climate;
}

void note(std::span<const Climate> readings, Conditions& conditions) {
  double sum = 0, lowest = 0, first = 0;
  std::size_t count = 0;
  for (const Climate& climate : readings) {
    if (climate.frequency_mhz) {
      if (count == 0) first = lowest = *climate.frequency_mhz;
      lowest = std::min(lowest, *climate.frequency_mhz);
      sum += *climate.frequency_mhz;
      ++count;
    }
    if (climate.temperature_c)
      conditions.temperature_c = std::max(conditions.temperature_c.value_or(*climate.temperature_c),
                                          *climate.temperature_c);
  }
  if (count > 0) {
    conditions.frequency_mhz = sum / static_cast<double>(count);
    conditions.frequency_drop = 1 - lowest / first;
  }
  if (readings.size() > 1 && readings.front().throttle_events && readings.back().throttle_events)
    conditions.throttle_events =
        *readings.back().throttle_events -
        std::min(*readings.front().throttle_events, *readings.back().throttle_events);
}

std::string climate_warning(const Conditions& conditions) {
  if (conditions.throttle_events.value_or(0) > 0)
    return str("the processor throttled itself ", *conditions.throttle_events,
               " times while measuring");
  if (conditions.frequency_drop.value_or(0) > kNotableDrop)
    return str("the processor's clock fell by ", number_text(*conditions.frequency_drop * 100),
               " % while measuring");
  if (conditions.temperature_c.value_or(0) >= kHot)
    return str("the processor reached ", number_text(*conditions.temperature_c), " degrees");
  return {};
}

}  // namespace strop::measure
