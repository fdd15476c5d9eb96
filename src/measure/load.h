// How busy others keep the machine while we measure.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

namespace strop::measure {

// CPU time since the machine started, summed over its cores, in seconds.
struct CpuTimes {
  double busy = 0;  // user, nice, system, interrupts; without steal
  double idle = 0;
  double steal = 0;  // wanted by this machine, given to another by the hypervisor
  bool operator==(const CpuTimes&) const = default;
};

// The first line of /proc/stat; empty when it is not one.
std::optional<CpuTimes> parse_cpu_times(std::string_view proc_stat, double ticks_per_second);

struct LoadReading {
  double wall_seconds = 0;  // any steady origin
  CpuTimes machine;
  double own_seconds = 0;  // CPU time of this process and its descendants
};

// What others did between two readings.
struct ForeignLoad {
  double cores = 0;  // mean number of cores in use by others
  double steal = 0;  // share of all CPU time
  bool operator==(const ForeignLoad&) const = default;
};
ForeignLoad foreign_load(const LoadReading& before, const LoadReading& after);

class LoadSampler {
 public:
  virtual ~LoadSampler() = default;
  // Empty where the system does not tell.
  virtual std::optional<LoadReading> read() = 0;
};

// Of this machine.
std::unique_ptr<LoadSampler> machine_load();

// Waits until what was written to the folder's file system is on its disk, so that it is not
// flushed while something is timed.
void flush_writes(const std::filesystem::path& folder);

}  // namespace strop::measure
