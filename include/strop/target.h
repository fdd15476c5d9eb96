// Where the artifact will run: this machine as probed, or a target profile.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace strop {

enum class DeviceKind { cpu, gpu, npu, vpu, tpu };
enum class TargetForm { phone, desktop, server, embedded };

struct Device {
  DeviceKind kind = DeviceKind::cpu;
  std::string vendor;  // intel, amd, apple, arm, nvidia, ...
  std::string name;
  std::vector<std::string>
      features;  // instruction sets that worked when executed; for others what the driver says
  std::optional<std::uint64_t> memory_bytes;
  std::optional<double> bandwidth_gbps;
  std::optional<std::uint32_t> cores;  // usable by this process
  bool operator==(const Device&) const = default;
};

struct Power {
  std::optional<double> budget_watts;
  bool battery = false;
  std::optional<double> thermal_limit_c;
  bool operator==(const Power&) const = default;
};

struct Network {
  bool offline = true;
  std::optional<double> bandwidth_mbps;
  bool operator==(const Network&) const = default;
};

struct Target {
  std::string id;
  std::string name;      // "this machine" or the profile's name
  bool local = true;     // false: timings cannot be measured here
  std::string os;        // linux, macos, windows, ios, android
  std::string arch;      // x86_64, aarch64, ...
  std::string platform;  // row of the hardware matrix: intel, nvidia, apple, arm_mobile, edge_tpu,
                         // embedded_arm, other_x86
  std::vector<Device> devices;
  std::uint64_t memory_bytes = 0;   // usable: the smaller of physical and cgroup limit
  std::uint64_t storage_bytes = 0;  // free where artifacts go
  Power power;
  Network network;
  TargetForm form = TargetForm::server;
  bool operator==(const Target&) const = default;
};

}  // namespace strop
