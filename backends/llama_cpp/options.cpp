#include "options.h"

#include <sched.h>

#include <array>
#include <charconv>
#include <functional>
#include <thread>
#include <utility>

namespace strop::llama_cpp {
namespace {

constexpr std::uint32_t kMaxThreads = 1024;
constexpr std::uint32_t kMaxBatch = 8192;
constexpr std::uint32_t kMaxContext = 1u << 24;

template <class E>
using Words = std::array<std::pair<std::string_view, E>, 3>;

constexpr Words<FlashAttention> kFlashAttention{{{"auto", FlashAttention::automatic},
                                                 {"on", FlashAttention::on},
                                                 {"off", FlashAttention::off}}};
constexpr Words<CacheType> kCacheTypes{
    {{"f16", CacheType::f16}, {"q8_0", CacheType::q8_0}, {"f32", CacheType::f32}}};

template <class E>
std::vector<std::string> names(const Words<E>& words) {
  std::vector<std::string> result;
  for (const auto& [name, value] : words) result.emplace_back(name);
  return result;
}

template <class E>
std::string name_in(const Words<E>& words, E wanted) {
  for (const auto& [name, value] : words) {
    if (value == wanted) return std::string(name);
  }
  return {};
}

Error bad_value(const std::string& name, const std::string& rule, const std::string& value) {
  return {ErrorCode::invalid_input,
          str("[llama_cpp] ", name, " must be ", rule, ", but got ", value, "."),
          {},
          name,
          value};
}

template <class E>
Result<void> read_word(const Words<E>& words, const std::string& name, const std::string& text,
                       E& value) {
  std::string list;
  for (const auto& [word, meaning] : words) {
    if (word == text) {
      value = meaning;
      return {};
    }
    list += str(list.empty() ? "" : ", ", word);
  }
  return bad_value(name, "one of " + list, text);
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
  if (name == "batch") return read_number(name, text, kMaxBatch, options.batch);
  if (name == "context") return read_number(name, text, kMaxContext, options.context);
  if (name == "flash_attention")
    return read_word(kFlashAttention, name, text, options.flash_attention);
  if (name == "kv_cache_type") return read_word(kCacheTypes, name, text, options.kv_cache_type);
  if (name == "cpu_variant") {
    options.cpu_variant = text;  // whether it exists is known when it is loaded
    return {};
  }
  return Error{
      ErrorCode::invalid_input,
      str("[llama_cpp] there is no run option ", name,
          ": known are threads, batch, context, flash_attention, kv_cache_type, cpu_variant."),
      {},
      name,
      text};
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
  if (options.kv_cache_type == CacheType::q8_0 && options.flash_attention == FlashAttention::off) {
    return Error{ErrorCode::invalid_input,
                 "[llama_cpp] kv_cache_type q8_0 needs flash_attention on or auto, but got off.",
                 {},
                 "flash_attention",
                 "off"};
  }
  return options;
}

RunOptions to_run_options(const Options& options) {
  return {{"threads", std::to_string(options.threads)},
          {"batch", std::to_string(options.batch)},
          {"context", std::to_string(options.context)},
          {"flash_attention", name_in(kFlashAttention, options.flash_attention)},
          {"kv_cache_type", name_in(kCacheTypes, options.kv_cache_type)},
          {"cpu_variant", options.cpu_variant}};
}

std::vector<Knob> run_knobs(const std::vector<CpuVariant>& variants,
                            const std::string& best_variant) {
  std::vector<std::string> variant_names;
  for (const auto& variant : variants) variant_names.push_back(variant.name);
  return {{"threads", {}, std::to_string(usable_cores()), "threads that compute; a whole number"},
          {"flash_attention", names(kFlashAttention), "auto",
           "fused attention; auto: where the engine has it"},
          {"kv_cache_type", names(kCacheTypes), "f16",
           "type of cached keys and values; q8_0 needs flash attention"},
          {"cpu_variant", variant_names, best_variant, "build of the CPU kernels"},
          {"batch", {}, "512", "prompt tokens computed together; a whole number"},
          {"context",
           {},
           std::to_string(kDefaultContext),
           "tokens that all sequences together may hold; at most the model's own limit"}};
}

}  // namespace strop::llama_cpp
