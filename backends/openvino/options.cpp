#include "options.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <openvino/runtime/properties.hpp>
#include <thread>

#include "engine.h"

namespace strop::openvino {
namespace {

constexpr std::uint32_t kMaxThreads = 1024;
constexpr std::uint32_t kMaxContext = 1u << 24;

using Words = std::vector<std::string>;

const Words kPrecisions{kDefault, "f32", "bf16", "f16"};
const Words kCachePrecisions{kDefault, "u8", "f16", "bf16", "f32"};
const Words kGroups{kDefault, "0", "32", "64", "128"};

std::string joined(const Words& words) {
  std::string list;
  for (const auto& word : words) list += str(list.empty() ? "" : ", ", word);
  return list;
}

Error bad_value(const std::string& name, const std::string& rule, const std::string& value) {
  return {ErrorCode::invalid_input,
          str("[openvino] ", name, " must be ", rule, ", but got ", value, "."),
          {},
          name,
          value};
}

Result<void> read_word(const Words& words, const std::string& name, const std::string& text,
                       std::string& value) {
  if (std::find(words.begin(), words.end(), text) == words.end())
    return bad_value(name, "one of " + joined(words), text);
  value = text;
  return {};
}

Result<void> read_number(const std::string& name, const std::string& text, std::uint32_t max,
                         std::uint32_t& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc() && stop == end && value >= 1 && value <= max) return {};
  return bad_value(name, str("a whole number from 1 to ", max), text);
}

Result<void> read_option(const std::string& name, const std::string& text, Options& options) {
  if (name == "threads") return read_number(name, text, kMaxThreads, options.threads);
  if (name == "context") return read_number(name, text, kMaxContext, options.context);
  if (name == "precision_hint") return read_word(kPrecisions, name, text, options.precision_hint);
  if (name == "kv_cache_precision")
    return read_word(kCachePrecisions, name, text, options.kv_cache_precision);
  if (name == "dynamic_quantization_group")
    return read_word(kGroups, name, text, options.dynamic_quantization_group);
  return Error{ErrorCode::invalid_input,
               str("[openvino] there is no run option ", name,
                   ": known are threads, context, precision_hint, kv_cache_precision, "
                   "dynamic_quantization_group."),
               {},
               name,
               text};
}

// The plug-in replaces what it cannot do without a word.
Result<void> settle(const std::string& name, const std::string& in_force, std::string& value) {
  if (value != kDefault && value != in_force) {
    return Error{ErrorCode::unsupported,
                 str("[openvino] ", name, " ", value,
                     " is not possible on this CPU, which would use ", in_force, "."),
                 {},
                 name,
                 value};
  }
  value = in_force;
  return {};
}

}  // namespace

std::uint32_t usable_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    return static_cast<std::uint32_t>(CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

Result<Options> parse_options(const RunOptions& given) {
  Options options;
  options.threads = usable_cores();
  for (const auto& [name, text] : given) STROP_CHECK(read_option(name, text, options));
  return options;
}

ov::AnyMap to_properties(const Options& options) {
  ov::AnyMap properties{ov::inference_num_threads(static_cast<std::int32_t>(options.threads)),
                        ov::num_streams(1),
                        ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY)};
  if (options.precision_hint != kDefault)
    properties.insert(ov::hint::inference_precision(ov::element::Type(options.precision_hint)));
  if (options.kv_cache_precision != kDefault)
    properties.insert(ov::hint::kv_cache_precision(ov::element::Type(options.kv_cache_precision)));
  if (options.dynamic_quantization_group != kDefault)
    properties.insert(
        ov::hint::dynamic_quantization_group_size(std::stoul(options.dynamic_quantization_group)));
  return properties;
}

Result<void> resolve(const ov::CompiledModel& compiled, Options& options) {
  const auto precision = name_of(compiled.get_property(ov::hint::inference_precision));
  STROP_CHECK(settle("precision_hint", precision, options.precision_hint));
  const auto cache = name_of(compiled.get_property(ov::hint::kv_cache_precision));
  STROP_CHECK(settle("kv_cache_precision", cache, options.kv_cache_precision));
  const auto group = compiled.get_property(ov::hint::dynamic_quantization_group_size);
  STROP_CHECK(settle("dynamic_quantization_group", std::to_string(group),
                     options.dynamic_quantization_group));
  options.threads = static_cast<std::uint32_t>(compiled.get_property(ov::inference_num_threads));
  return {};
}

RunOptions to_run_options(const Options& options) {
  return {{"threads", std::to_string(options.threads)},
          {"context", std::to_string(options.context)},
          {"precision_hint", options.precision_hint},
          {"kv_cache_precision", options.kv_cache_precision},
          {"dynamic_quantization_group", options.dynamic_quantization_group}};
}

std::vector<Knob> run_knobs(const std::vector<std::string>& precisions) {
  Words possible{kDefault};
  possible.insert(possible.end(), precisions.begin(), precisions.end());
  return {
      {"threads", {}, std::to_string(usable_cores()), "threads that compute; a whole number"},
      {"precision_hint", possible, kDefault,
       "precision of the computation; default: bf16 where the CPU has it"},
      {"kv_cache_precision", kCachePrecisions, kDefault, "type of cached keys and values"},
      {"dynamic_quantization_group", kGroups, kDefault,
       "values that share a scale when activations are rounded to 8 bits for quantised weights; 0: "
       "never"},
      {"context", {}, "", "tokens a sequence may hold; at most what the artifact was made for"}};
}

}  // namespace strop::openvino
