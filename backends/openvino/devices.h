// The devices that OpenVINO finds here, and those that it does not.
#pragma once

#include <openvino/runtime/core.hpp>
#include <string>
#include <vector>

namespace strop::openvino {

struct MissingDevice {
  std::string name;
  std::string reason;
};

struct Devices {
  std::vector<std::string> here;  // CPU, GPU, GPU.1, NPU
  std::vector<MissingDevice> missing;
};

Devices find_devices(const ov::Core& core);

// What a session can be opened on: each device, AUTO (the library chooses), and HETERO with the
// CPU, which takes over what the other device lacks.
std::vector<std::string> places(const Devices& devices);

// AUTO and HETERO:... hand the graph to other devices.
bool is_composite(const std::string& place);

}  // namespace strop::openvino
