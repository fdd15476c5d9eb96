#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <string>

#include "core/os.h"
#include "measure/load.h"

namespace strop::measure {
namespace {

class MachineLoad : public LoadSampler {
 public:
  std::optional<LoadReading> read() override {
    std::ifstream file("/proc/stat");
    std::string line;
    std::getline(file, line);
    const auto times = parse_cpu_times(line, static_cast<double>(::sysconf(_SC_CLK_TCK)));
    if (!times) return {};
    const std::chrono::duration<double> now = std::chrono::steady_clock::now().time_since_epoch();
    return LoadReading{now.count(), *times, os::cpu_seconds_of(::getpid())};
  }
};

}  // namespace

std::unique_ptr<LoadSampler> machine_load() { return std::make_unique<MachineLoad>(); }

void flush_writes(const std::filesystem::path& folder) {
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  ::syncfs(file);
  ::close(file);
}

}  // namespace strop::measure
