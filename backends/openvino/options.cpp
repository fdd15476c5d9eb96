#include "options.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <openvino/runtime/properties.hpp>
#include <optional>

#include "core/os.h"
#include "engine.h"

namespace strop::openvino {
namespace {

constexpr std::uint32_t kMostThreads = 1024;
constexpr std::uint32_t kMostContext = 1u << 24;

using Words = std::vector<std::string>;

const Words kPrecisions{kDefault, "f32", "bf16", "f16"};
const Words kCachePrecisions{kDefault, "u8", "f16", "bf16", "f32"};
const Words kGroups{kDefault, "0", "32", "64", "128"};

// Which of the plug-in's properties a knob is.
struct Property {
  const char* knob;
  const char* name;
};
constexpr std::array kProperties{
    Property{"threads", "INFERENCE_NUM_THREADS"},
    Property{"performance", "PERFORMANCE_HINT"},
    Property{"streams", "NUM_STREAMS"},
    Property{"precision_hint", "INFERENCE_PRECISION_HINT"},
    Property{"kv_cache_precision", "KV_CACHE_PRECISION"},
    Property{"dynamic_quantization_group", "DYNAMIC_QUANTIZATION_GROUP_SIZE"},
};

std::vector<KnobRule> knob_rules(SessionKind kind) {
  std::vector<KnobRule> rules{
      {{"threads", {}, std::to_string(os::usable_cores()), "threads that compute; a whole number"},
       kMostThreads},
      {{"device", {}, "CPU", "where it runs; AUTO: the library chooses; HETERO: in that order"}},
      {{"performance",
        {"latency", "throughput"},
        "latency",
        "what the plug-in arranges its streams for"}},
      {{"streams",
        {kDefault},
        kDefault,
        "requests that the plug-in computes side by side; a whole number"},
       kMostThreads},
      {{"precision_hint", kPrecisions, kDefault,
        "precision of the computation; default: bf16 where the CPU has it"}},
      {{"dynamic_quantization_group", kGroups, kDefault,
        "values that share a scale when activations are rounded to 8 bits for quantised weights; "
        "0: never"}},
      {{"model_cache",
        {"off", "on"},
        "off",
        "keeps the compiled model in the run's folder, so that it is loaded quicker again"}}};
  if (kind == SessionKind::decoder) {
    rules.push_back(
        {{"kv_cache_precision", kCachePrecisions, kDefault, "type of cached keys and values"}});
    rules.push_back(
        {{"context", {}, "", "tokens a sequence may hold; at most what the artifact was made for"},
         kMostContext});
  } else {
    rules.push_back({{"shape",
                      {},
                      "",
                      "makes inputs static: name[1,3,224,224], more of them behind each other"}});
  }
  return rules;
}

std::string joined(const Words& words) {
  std::string list;
  for (const auto& word : words) list += str(list.empty() ? "" : ", ", word);
  return list;
}

// The device that the value names and that is not here; null when there is none such.
const MissingDevice* named_missing(const Devices& devices, const std::string& value) {
  for (const auto& device : devices.missing) {
    if (value.find(device.name) != std::string::npos) return &device;
  }
  return nullptr;
}

Result<void> check_place(const Devices& devices, const std::string& value) {
  const auto known = places(devices);
  if (std::find(known.begin(), known.end(), value) != known.end()) return {};
  if (const auto* device = named_missing(devices, value)) {
    return Error{ErrorCode::unsupported,
                 str("[openvino] device ", value, " cannot be had, because there is no ",
                     device->name, ": ", device->reason, "."),
                 str("Possible here: ", joined(known), "."), "device", value};
  }
  return Error{ErrorCode::invalid_input,
               str("[openvino] device must be one of ", joined(known), ", but got ", value, "."),
               {},
               "device",
               value};
}

// What is asked of one device.
ov::AnyMap properties_of(const RunOptions& options, const std::string& device) {
  ov::AnyMap properties;
  for (const auto& [knob, name] : kProperties) {
    const auto option = options.find(knob);
    if (option == options.end() || option->second == kDefault) continue;
    const bool threads = option->first == "threads";
    if (threads && !device.starts_with("CPU")) continue;  // the others have none to choose
    std::string value = option->second;
    if (option->first == "performance")
      std::transform(value.begin(), value.end(), value.begin(),
                     [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    properties[name] = value;
  }
  return properties;
}

// What a device says of the property, in lower case; nothing when it has no such property.
using Said = std::optional<std::string>;

std::string text_of(const ov::Any& value) {
  auto text = value.as<std::string>();
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  // A type that leaves the choice to the plug-in.
  return text == "dynamic" || text == "undefined" ? kDefault : text;
}

Said said_by(const ov::AnyMap& device, const char* name) {
  const auto found = device.find(name);
  return found == device.end() ? Said() : text_of(found->second);
}

// Of a composite: by every device that computes, different answers side by side.
Said in_force(const ov::CompiledModel& compiled, const Words& devices, bool composite,
              const char* name) {
  if (!composite) {
    const auto known = compiled.get_property(ov::supported_properties);
    if (std::find(known.begin(), known.end(), name) == known.end()) return {};
    return text_of(compiled.get_property(name));
  }
  const auto all = compiled.get_property("DEVICE_PROPERTIES").as<ov::AnyMap>();
  Words answers;
  for (const auto& device : devices) {
    const auto found = all.find(device);
    const auto said = found == all.end() ? Said() : said_by(found->second.as<ov::AnyMap>(), name);
    if (said && std::find(answers.begin(), answers.end(), *said) == answers.end())
      answers.push_back(*said);
  }
  return answers.empty() ? Said() : joined(answers);
}

// The plug-in replaces what it cannot do without a word.
Result<void> settle(const std::string& name, const Said& in_force, bool asked,
                    RunOptions& options) {
  auto& value = options.at(name);
  if (!in_force) {
    if (asked && value != kDefault)
      return Error{ErrorCode::unsupported,
                   str("[openvino] ", name, " does not apply to this device."),
                   {},
                   name,
                   value};
    options.erase(name);
    return {};
  }
  // How many threads compute is told, not enforced: cores may be fewer.
  if (name != "threads" && value != kDefault && value != *in_force) {
    return Error{ErrorCode::unsupported,
                 str("[openvino] ", name, " ", value,
                     " is not possible on this device, which would use ", *in_force, "."),
                 {},
                 name,
                 value};
  }
  value = *in_force;
  return {};
}

}  // namespace

Result<RunOptions> parse_options(SessionKind kind, const Devices& devices,
                                 const RunOptions& given) {
  const auto rules = knob_rules(kind);
  STROP_TRY(auto options, options_in_force("openvino", rules, given));
  STROP_CHECK(check_place(devices, options.at("device")));
  return options;
}

ov::AnyMap to_properties(const RunOptions& options, const Devices& devices) {
  const auto& place = options.at("device");
  if (!is_composite(place)) return properties_of(options, place);
  ov::AnyMap properties;
  for (const auto& device : devices.here) {
    if (place == "AUTO" || place.find(device) != std::string::npos)
      properties.insert(ov::device::properties(device, properties_of(options, device)));
  }
  return properties;
}

Result<void> resolve(const ov::CompiledModel& compiled, const RunOptions& given,
                     RunOptions& options) {
  const auto devices = compiled.get_property(ov::execution_devices);
  const bool composite = is_composite(options.at("device"));
  for (const auto& [knob, name] : kProperties) {
    if (!options.contains(knob)) continue;
    STROP_CHECK(
        settle(knob, in_force(compiled, devices, composite, name), given.contains(knob), options));
  }
  options["execution_devices"] = joined(devices);
  return {};
}

std::vector<Knob> run_knobs(SessionKind kind, const Devices& devices,
                            const std::vector<std::string>& precisions) {
  const auto rules = knob_rules(kind);
  auto knobs = knobs_of(rules);
  for (auto& knob : knobs) {
    if (knob.name == "device") knob.values = places(devices);
    if (knob.name == "streams") knob.values.clear();  // any number, as it says
    if (knob.name != "precision_hint") continue;
    knob.values = {kDefault};
    knob.values.insert(knob.values.end(), precisions.begin(), precisions.end());
  }
  return knobs;
}

}  // namespace strop::openvino
