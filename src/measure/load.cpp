#include "measure/load.h"

#include <algorithm>
#include <sstream>
#include <string>

namespace strop::measure {

std::optional<CpuTimes> parse_cpu_times(std::string_view proc_stat, double ticks_per_second) {
  std::istringstream fields{std::string(proc_stat.substr(0, proc_stat.find('\n')))};
  std::string label;
  double user = 0, nice = 0, system = 0, idle = 0, wait = 0, interrupt = 0, soft_interrupt = 0,
         steal = 0;
  fields >> label >> user >> nice >> system >> idle >> wait >> interrupt >> soft_interrupt >> steal;
  if (!fields || label != "cpu" || ticks_per_second <= 0) return {};
  return CpuTimes{(user + nice + system + interrupt + soft_interrupt) / ticks_per_second,
                  (idle + wait) / ticks_per_second, steal / ticks_per_second};
}

ForeignLoad foreign_load(const LoadReading& before, const LoadReading& after) {
  const double wall = after.wall_seconds - before.wall_seconds;
  const double busy = after.machine.busy - before.machine.busy;
  const double steal = after.machine.steal - before.machine.steal;
  const double all = busy + steal + after.machine.idle - before.machine.idle;
  // A descendant that ended takes its time with it.
  const double own = std::max(0.0, after.own_seconds - before.own_seconds);
  return {wall > 0 ? std::max(0.0, busy - own) / wall : 0,
          all > 0 ? std::max(0.0, steal) / all : 0};
}

}  // namespace strop::measure
