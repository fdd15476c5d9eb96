// The run knobs of llama.cpp: what they are called, what they may be, and the values in force.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cpu_variants.h"
#include "strop/recipe.h"
#include "strop/result.h"

namespace strop::llama_cpp {

enum class FlashAttention { automatic, on, off };
enum class CacheType { f16, q8_0, f32 };

struct Options {
  std::uint32_t threads = 0;  // at least 1 once parsed
  FlashAttention flash_attention = FlashAttention::automatic;
  CacheType kv_cache_type = CacheType::f16;
  std::string cpu_variant;    // empty: the best that passes its self-test
  std::uint32_t batch = 512;  // tokens computed together
  std::uint32_t context = 0;  // tokens; 0: kDefaultContext or the model's, whichever is smaller
};

inline constexpr std::uint32_t kDefaultContext = 4096;
inline constexpr const char* kCacheKnob = "kv_cache_type";  // decoders alone have it
inline constexpr const char* kVariantKnob = "cpu_variant";

// An unknown name or a value outside its range is invalid_input with the name in Error.field.
Result<Options> parse_options(const RunOptions& options);

// The same as text; flash_attention must be resolved.
RunOptions to_run_options(const Options& options);

std::vector<Knob> run_knobs(const std::vector<CpuVariant>& variants,
                            const std::string& best_variant);

}  // namespace strop::llama_cpp
