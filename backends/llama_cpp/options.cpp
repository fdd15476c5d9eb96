#include "options.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/knobs.h"
#include "core/os.h"

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

// `name` is one of the words.
template <class E>
E meaning_of(const Words<E>& words, std::string_view name) {
  return std::find_if(words.begin(), words.end(),
                      [&](const auto& word) { return word.first == name; })
      ->second;
}

template <class E>
std::string name_in(const Words<E>& words, E wanted) {
  for (const auto& [name, value] : words) {
    if (value == wanted) return std::string(name);
  }
  return {};
}

// Which variants there are is known when one is loaded; the model says how long its context is.
std::vector<KnobRule> rules() {
  return {
      {{"threads", {}, std::to_string(os::usable_cores()), "threads that compute; a whole number"},
       kMaxThreads},
      {{"flash_attention", names(kFlashAttention), "auto",
        "fused attention; auto: where the engine has it"}},
      {{kCacheKnob, names(kCacheTypes), "f16",
        "type of cached keys and values; q8_0 needs flash attention"}},
      {{kVariantKnob, {}, "", "build of the CPU kernels"}},
      {{"batch", {}, "512", "prompt tokens computed together; a whole number"}, kMaxBatch},
      {{"context",
        {},
        "",
        "tokens that all sequences together may hold; at most the model's own limit"},
       kMaxContext}};
}

}  // namespace

Result<Options> parse_options(const RunOptions& given) {
  STROP_TRY(const RunOptions in_force, options_in_force("llama_cpp", rules(), given));
  Options options{.threads = number_of(in_force, "threads"),
                  .flash_attention = meaning_of(kFlashAttention, in_force.at("flash_attention")),
                  .kv_cache_type = meaning_of(kCacheTypes, in_force.at(kCacheKnob)),
                  .cpu_variant = in_force.at(kVariantKnob),
                  .batch = number_of(in_force, "batch"),
                  .context = in_force.at("context").empty() ? 0 : number_of(in_force, "context")};
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
          {kCacheKnob, name_in(kCacheTypes, options.kv_cache_type)},
          {kVariantKnob, options.cpu_variant}};
}

std::vector<Knob> run_knobs(const std::vector<CpuVariant>& variants,
                            const std::string& best_variant) {
  std::vector<Knob> knobs = knobs_of(rules());
  for (Knob& knob : knobs) {
    if (knob.name == "context") knob.default_value = std::to_string(kDefaultContext);
    if (knob.name != kVariantKnob) continue;
    knob.default_value = best_variant;
    for (const auto& variant : variants) knob.values.push_back(variant.name);
  }
  return knobs;
}

}  // namespace strop::llama_cpp
