// The run knobs of OpenVINO's sessions: what they are called, what they may be, and the values in
// force.
#pragma once

#include <filesystem>
#include <openvino/runtime/compiled_model.hpp>
#include <string>
#include <vector>

#include "core/knobs.h"
#include "devices.h"

namespace strop::openvino {

inline constexpr auto kDefault = "default";  // the value that leaves a knob to the plug-in

enum class SessionKind { decoder, tensors };

// Every knob with the value asked for or its default. An unknown name or a value outside its range
// is invalid_input, a device that is not here unsupported, with the name in Error.field.
Result<RunOptions> parse_options(SessionKind kind, const Devices& devices, const RunOptions& given);

// As the plug-ins want them.
ov::AnyMap to_properties(const RunOptions& options, const Devices& devices);

// Puts the values in force into options and adds execution_devices; unsupported when the plug-in
// runs with another value than asked for, or knows no such knob.
Result<void> resolve(const ov::CompiledModel& compiled, const RunOptions& given,
                     RunOptions& options);

// `precisions`: those that the CPU can compute in.
std::vector<Knob> run_knobs(SessionKind kind, const Devices& devices,
                            const std::vector<std::string>& precisions);

}  // namespace strop::openvino
