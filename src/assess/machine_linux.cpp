// This machine as Linux shows it in /proc, /sys and the control groups.
#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "assess/instructions.h"
#include "assess/machine.h"
#include "core/files.h"
#include "core/os.h"

namespace strop {
namespace {

namespace fs = std::filesystem;

// First line of a small file of the kernel; empty when it is not there.
std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<std::uint64_t> number_in(const fs::path& path) {
  std::istringstream line(first_line(path));
  std::uint64_t value = 0;
  if (line >> value) return value;
  return std::nullopt;
}

// The value of the first line "name : value" of a file of the kernel; empty when there is none.
std::string field_in(const fs::path& path, const std::string& name) {
  std::ifstream lines(path);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name)) continue;
    const auto colon = line.find(':');
    const auto value =
        colon == std::string::npos ? colon : line.find_first_not_of(" \t", colon + 1);
    return value == std::string::npos ? "" : line.substr(value);
  }
  return "";
}

// ---- control groups

std::optional<double> cores_by_quota() {
  std::optional<double> least;
  const auto note = [&](double quota, double period) {
    if (quota > 0 && period > 0) least = std::min(least.value_or(quota / period), quota / period);
  };
  for (const fs::path& group : os::control_groups("cpu")) {
    std::istringstream line(first_line(group / "cpu.max"));
    double quota = 0;
    double period = 0;
    if (line >> quota >> period) note(quota, period);
    note(std::strtod(first_line(group / "cpu.cfs_quota_us").c_str(), nullptr),
         std::strtod(first_line(group / "cpu.cfs_period_us").c_str(), nullptr));
  }
  return least;
}

std::uint64_t usable_memory() {
  auto bytes = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
               static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  for (const fs::path& group : os::control_groups("memory")) {
    for (const char* name : {"memory.max", "memory.limit_in_bytes"}) {
      if (const auto limit = number_in(group / name); limit && *limit > 0)
        bytes = std::min(bytes, *limit);
    }
  }
  return bytes;
}

// ---- processor

std::uint32_t usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int affinity = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
  const double quota = cores_by_quota().value_or(affinity);
  return static_cast<std::uint32_t>(std::max(1.0, std::min<double>(affinity, std::ceil(quota))));
}

std::string cpu_field(const std::string& name) { return field_in("/proc/cpuinfo", name); }

std::string cpu_vendor(const std::string& arch) {
  static const std::map<std::string, std::string> kVendors{
      {"GenuineIntel", "intel"}, {"AuthenticAMD", "amd"}, {"HygonGenuine", "hygon"},
      {"0x41", "arm"},           {"0x61", "apple"},       {"0xc0", "ampere"}};
  const std::string word =
      cpu_field("vendor_id").empty() ? cpu_field("CPU implementer") : cpu_field("vendor_id");
  const auto found = kVendors.find(word);
  if (found != kVendors.end()) return found->second;
  return arch == "aarch64" ? "arm" : "unknown";
}

Device processor(const std::string& arch) {
  Device cpu{.kind = DeviceKind::cpu,
             .vendor = cpu_vendor(arch),
             .name = cpu_field("model name"),
             .features = working_instruction_sets(),
             .memory_bytes = {},
             .bandwidth_gbps = {},
             .cores = usable_cores()};
  if (cpu.name.empty()) cpu.name = arch;
  return cpu;
}

// ---- accelerators

std::string pci_vendor(const std::string& id) {
  static const std::map<std::string, std::string> kVendors{
      {"0x10de", "nvidia"}, {"0x8086", "intel"}, {"0x1002", "amd"}, {"0x1ac1", "google"}};
  const auto found = kVendors.find(id);
  return found == kVendors.end() ? "unknown" : found->second;
}

Device accelerator(DeviceKind kind, const fs::path& device, const std::string& name) {
  const std::string id = first_line(device / "vendor");
  Device found{.kind = kind,
               .vendor = pci_vendor(id),
               .name = name,
               .features = {},
               .memory_bytes = {},
               .bandwidth_gbps = {},
               .cores = {}};
  if (const std::string model = first_line(device / "device"); !model.empty())
    found.name += " (PCI " + id + ":" + model + ")";
  found.memory_bytes = number_in(device / "mem_info_vram_total");
  return found;
}

bool is_whole_card(const std::string& name) {
  return name.starts_with("card") && name.find('-') == std::string::npos;
}

std::vector<Device> accelerators() {
  std::vector<Device> devices;
  for (const fs::path& path : sorted_entries("/sys/class/drm")) {
    const std::string name = path.filename().string();
    // A framebuffer of a virtual machine computes nothing.
    if (is_whole_card(name) && pci_vendor(first_line(path / "device/vendor")) != "unknown")
      devices.push_back(accelerator(DeviceKind::gpu, path / "device", name));
  }
  // NVIDIA's driver lists the cards itself, also where it has no part in the kernel's graphics.
  const bool listed = std::any_of(devices.begin(), devices.end(),
                                  [](const Device& device) { return device.vendor == "nvidia"; });
  const auto cards = listed ? std::vector<fs::path>{} : sorted_entries("/proc/driver/nvidia/gpus");
  for (const fs::path& path : cards) {
    const std::string model = field_in(path / "information", "Model");
    devices.push_back({.kind = DeviceKind::gpu,
                       .vendor = "nvidia",
                       .name = model.empty() ? path.filename().string() : model,
                       .features = {},
                       .memory_bytes = {},
                       .bandwidth_gbps = {},
                       .cores = {}});
  }
  for (const fs::path& path : sorted_entries("/sys/class/accel"))
    devices.push_back(accelerator(DeviceKind::npu, path / "device", path.filename().string()));
  for (const fs::path& path : sorted_entries("/sys/class/apex"))
    devices.push_back(accelerator(DeviceKind::tpu, path / "device", path.filename().string()));
  return devices;
}

// ---- the rest

Power power() {
  Power found;
  for (const fs::path& path : sorted_entries("/sys/class/power_supply"))
    found.battery = found.battery || first_line(path / "type") == "Battery";
  for (const fs::path& zone : sorted_entries("/sys/class/thermal")) {
    for (int point = 0; point < 8; ++point) {
      const std::string prefix = str("trip_point_", point, "_");
      const auto millidegrees = number_in(zone / (prefix + "temp"));
      if (millidegrees && first_line(zone / (prefix + "type")) == "critical")
        found.thermal_limit_c = static_cast<double>(*millidegrees) / 1000;
    }
  }
  return found;
}

// Destination and mask 0 in the kernel's table of routes.
bool has_default_route() {
  std::ifstream routes("/proc/net/route");
  std::string line;
  std::getline(routes, line);
  while (std::getline(routes, line)) {
    std::istringstream fields(line);
    std::string interface, destination, gateway;
    if (fields >> interface >> destination >> gateway && destination == "00000000") return true;
  }
  return false;
}

// The folder may not exist yet; the nearest one above it does.
std::uint64_t free_bytes(fs::path folder) {
  std::error_code error;
  for (folder = fs::absolute(folder, error); !folder.empty(); folder = folder.parent_path()) {
    const fs::space_info space = fs::space(folder, error);
    if (!error) return space.available;
    if (folder == folder.root_path()) break;
  }
  return 0;
}

TargetForm form_of(const Power& power) {
  if (power.battery) return TargetForm::desktop;
  if (!first_line("/proc/device-tree/model").empty()) return TargetForm::embedded;
  const std::string chassis = first_line("/sys/class/dmi/id/chassis_type");
  const bool desk = chassis == "3" || chassis == "4" || chassis == "6" || chassis == "7" ||
                    chassis == "9" || chassis == "10";
  return desk ? TargetForm::desktop : TargetForm::server;
}

}  // namespace

Result<Target> probe_machine(const std::filesystem::path& storage) {
  utsname names{};
  if (uname(&names) != 0)
    return Error{.code = ErrorCode::io,
                 .message = "[assess] the kernel does not say which machine this is."};
  Target target{.id = {},
                .name = "this machine",
                .local = true,
                .os = "linux",
                .arch = names.machine,
                .platform = {},
                .devices = {processor(names.machine)},
                .memory_bytes = usable_memory(),
                .storage_bytes = free_bytes(storage),
                .power = power(),
                .network = {.offline = !has_default_route(), .bandwidth_mbps = {}},
                .form = {}};
  for (Device& device : accelerators()) target.devices.push_back(std::move(device));
  target.form = form_of(target.power);
  target.platform = platform_of(target);
  target.id = id_of_target(target);
  return target;
}

}  // namespace strop
