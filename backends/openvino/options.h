// The run knobs of the CPU plug-in: what they are called, what they may be, and the values in
// force.
#pragma once

#include <cstdint>
#include <openvino/runtime/compiled_model.hpp>
#include <string>
#include <vector>

#include "strop/recipe.h"
#include "strop/result.h"

namespace strop::openvino {

inline constexpr auto kDefault = "default";  // the value that leaves a knob to the plug-in

struct Options {
  std::uint32_t threads = 0;  // at least 1 once parsed
  std::uint32_t context =
      0;  // tokens of a sequence; 0: as many as the artifact's position tables have
  std::string precision_hint = kDefault;
  std::string kv_cache_precision = kDefault;
  std::string dynamic_quantization_group = kDefault;
};

// An unknown name or a value outside its range is invalid_input with the name in Error.field.
Result<Options> parse_options(const RunOptions& options);

// As the plug-in wants them.
ov::AnyMap to_properties(const Options& options);

// Puts the values in force into options; unsupported when the plug-in runs with another value than
// asked for.
Result<void> resolve(const ov::CompiledModel& compiled, Options& options);

RunOptions to_run_options(const Options& options);

// `precisions`: those that the CPU can compute in.
std::vector<Knob> run_knobs(const std::vector<std::string>& precisions);

// Processors this process may use.
std::uint32_t usable_cores();

}  // namespace strop::openvino
