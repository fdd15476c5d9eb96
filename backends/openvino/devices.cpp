#include "devices.h"

#include <algorithm>
#include <array>
#include <openvino/runtime/properties.hpp>

#include "engine.h"

namespace strop::openvino {
namespace {

constexpr std::array kKinds{"CPU", "GPU", "NPU"};

// Without the place of the plug-in's own file.
std::string without_path(const std::string& sentence) {
  const auto end = sentence.rfind(".so\": ");
  return end == std::string::npos ? sentence : sentence.substr(end + 6);
}

std::string why_missing(const ov::Core& core, const char* kind) {
  try {
    core.get_property(kind, ov::available_devices);
    return "OpenVINO finds no such device here";
  } catch (const std::exception& error) {
    return without_path(first_sentence(error.what()));
  }
}

}  // namespace

Devices find_devices(const ov::Core& core) {
  Devices devices{.here = core.get_available_devices(), .missing = {}};
  for (const char* kind : kKinds) {
    const bool found = std::any_of(devices.here.begin(), devices.here.end(),
                                   [&](const std::string& name) { return name.starts_with(kind); });
    if (!found) devices.missing.push_back({kind, why_missing(core, kind)});
  }
  return devices;
}

std::vector<std::string> places(const Devices& devices) {
  std::vector<std::string> all = devices.here;
  all.emplace_back("AUTO");
  for (const auto& name : devices.here)
    all.push_back(name == "CPU" ? "HETERO:CPU" : str("HETERO:", name, ",CPU"));
  return all;
}

bool is_composite(const std::string& place) {
  return place == "AUTO" || place.starts_with("HETERO:");
}

}  // namespace strop::openvino
