#include "measure/energy.h"

#include <algorithm>
#include <charconv>
#include <fstream>

#include "core/files.h"

namespace fs = std::filesystem;

namespace strop::measure {
namespace {

constexpr std::size_t kLongestLine = 256;

std::optional<std::string> line_of(const fs::path& file) {
  std::ifstream in(file);
  std::string line(kLongestLine, '\0');
  in.read(line.data(), static_cast<std::streamsize>(line.size()));
  if (in.gcount() == 0) return {};
  line.resize(static_cast<std::size_t>(in.gcount()));
  return line.substr(0, line.find('\n'));
}

std::optional<std::uint64_t> count_of(const fs::path& file) {
  const auto line = line_of(file);
  if (!line) return {};
  std::uint64_t value = 0;
  const char* const end = line->data() + line->size();
  const auto [rest, error] = std::from_chars(line->data(), end, value);
  if (error != std::errc() || rest != end) return {};
  return value;
}

// intel-rapl:0, but not its parts intel-rapl:0:1, whose energy is in it already, and not the second
// way to the same counter, intel-rapl-mmio.
bool is_package(const std::string& zone) {
  const std::size_t colon = zone.find(':');
  if (colon == std::string::npos || zone.find(':', colon + 1) != std::string::npos) return false;
  return zone.substr(0, colon) == "intel-rapl" || zone.substr(0, colon) == "amd-rapl";
}

struct Search {
  std::vector<EnergyCounter> counters;
  std::string refused;  // a counter that is there and cannot be read
};

Search packages(const fs::path& sys) {
  Search found;
  for (const fs::path& zone : sorted_entries(sys / "class" / "powercap")) {
    if (!is_package(zone.filename().string())) continue;
    const fs::path file = zone / "energy_uj";
    if (!count_of(file)) {
      found.refused = file.string();
      continue;
    }
    found.counters.push_back({.name = line_of(zone / "name").value_or(zone.filename().string()),
                              .file = file,
                              .joules_per_count = 1e-6,
                              .wraps_after = count_of(zone / "max_energy_range_uj")});
  }
  return found;
}

Search batteries(const fs::path& sys) {
  Search found;
  for (const fs::path& supply : sorted_entries(sys / "class" / "power_supply")) {
    if (line_of(supply / "type") != "Battery") continue;
    if (line_of(supply / "status") != "Discharging") {
      found.refused = supply.filename().string() + ", which does not discharge";
      continue;
    }
    EnergyCounter counter{.name = supply.filename().string(), .falls = true};
    const auto microvolts = count_of(supply / "voltage_now");
    if (count_of(supply / "energy_now")) {  // in microwatt hours
      counter.file = supply / "energy_now";
      counter.joules_per_count = 3600e-6;
    } else if (count_of(supply / "charge_now") && microvolts) {  // in microampere hours
      counter.file = supply / "charge_now";
      counter.joules_per_count = 3600e-6 * static_cast<double>(*microvolts) * 1e-6;
    } else {
      found.refused = supply.filename().string() + ", which tells no energy";
      continue;
    }
    found.counters.push_back(std::move(counter));
  }
  return found;
}

}  // namespace

Result<std::vector<EnergyCounter>> find_counters(const fs::path& sys) {
  Search rapl = packages(sys);
  if (!rapl.counters.empty()) return std::move(rapl.counters);
  Search battery = batteries(sys);
  if (!battery.counters.empty()) return std::move(battery.counters);
  if (!rapl.refused.empty())
    return Error{ErrorCode::io, str("not available: the counter ", rapl.refused, " cannot be read"),
                 "Only the administrator may read it on most systems."};
  if (!battery.refused.empty())
    return Error{ErrorCode::not_found,
                 str("not available: no RAPL counter, and the battery ", battery.refused)};
  return Error{ErrorCode::not_found,
               "not available: the system has no RAPL counter and no battery"};
}

Result<std::vector<std::uint64_t>> read_counters(std::span<const EnergyCounter> counters) {
  std::vector<std::uint64_t> counts;
  for (const EnergyCounter& counter : counters) {
    const auto count = count_of(counter.file);
    if (!count)
      return Error{ErrorCode::io,
                   str("not available: the counter ", counter.file.string(), " went away")};
    counts.push_back(*count);
  }
  return counts;
}

double joules_between(std::span<const EnergyCounter> counters,
                      std::span<const std::uint64_t> before, std::span<const std::uint64_t> after) {
  STROP_ASSERT(counters.size() == before.size() && counters.size() == after.size(),
               "a count for each counter");
  double joules = 0;
  for (std::size_t i = 0; i < counters.size(); ++i) {
    const EnergyCounter& counter = counters[i];
    const std::uint64_t from = counter.falls ? after[i] : before[i];
    const std::uint64_t to = counter.falls ? before[i] : after[i];
    double counts = static_cast<double>(to) - static_cast<double>(from);
    if (counts < 0 && !counter.falls && counter.wraps_after)
      counts += static_cast<double>(*counter.wraps_after) + 1;
    joules += counts * counter.joules_per_count;
  }
  return joules;
}

std::optional<Estimate> joules_per_token(std::span<const EnergyWindow> windows,
                                         const Resampling& resampling) {
  std::vector<double> each;
  for (const EnergyWindow& window : windows) {
    if (window.tokens > 0 && window.seconds > 0)
      each.push_back((window.joules - window.idle_watts * window.seconds) / window.tokens);
  }
  if (each.size() < 2) return {};
  return bootstrap_median(each, resampling);
}

}  // namespace strop::measure
