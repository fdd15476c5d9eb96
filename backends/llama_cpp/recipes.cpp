#include "recipes.h"

#include <algorithm>
#include <array>

#include "core/half.h"
#include "formats/model_file.h"

namespace strop::llama_cpp {
namespace {

struct QuantisedType {
  const char* name;
  double bits;           // of the mix of types that the preset uses
  double bits_fallback;  // where rows are no multiple of 256 and K types give way to larger ones
  const char* grid;      // affine types that may hold another grid's values exactly
  const char* note;
};

constexpr std::array kTypes{
    QuantisedType{"q8_0", 8.5, 8.5, "", "8 bits, groups of 32: near the original"},
    QuantisedType{"q6_k", 6.6, 8.2, "", "6 bits, two levels of scales"},
    QuantisedType{"q5_k_m", 5.7, 6.7, "", "5 bits, sensitive tensors at 6"},
    QuantisedType{"q4_k_m", 4.9, 6.3, "", "4 bits, sensitive tensors at 6: the usual choice"},
    QuantisedType{"iq4_nl", 4.5, 4.5, "", "4 bits on an uneven grid, groups of 32"},
    QuantisedType{"q4_0", 4.5, 4.5, "", "4 bits, groups of 32: small and fast"},
    QuantisedType{"q4_1", 5.0, 5.0, "q4_1", "4 bits with an offset, groups of 32"},
    QuantisedType{"q5_0", 5.5, 5.5, "", "5 bits, groups of 32"},
    QuantisedType{"q3_k_m", 4.0, 5.6, "", "3 bits, sensitive tensors at 4 to 5: the smallest"},
};

struct FloatType {
  const char* name;
  double bits;
};
constexpr std::array kFloats{FloatType{"bf16", 16}, FloatType{"f16", 16}};

Step converted_to(const std::string& type) {
  return {"convert", Operation::convert, {{"to", "gguf"}, {"type", type}}};
}

Step quantised_to(const std::string& type) {
  return {"convert", Operation::quantize, {{"type", type}}};
}

Recipe unquantised(const std::string& name, const std::string& type, double bits,
                   const std::string& note) {
  return {.name = name,
          .backend = "llama_cpp",
          .steps = {converted_to(type)},
          .bits_per_weight = bits,
          .lossless = true,
          .note = note};
}

Recipe quantised(const QuantisedType& type, const std::string& base, const Model& model) {
  const bool whole_rows = !model.width || *model.width % 256 == 0;
  return {.name = type.name,
          .backend = "llama_cpp",
          .steps = {converted_to(base), quantised_to(type.name)},
          .bits_per_weight = whole_rows ? type.bits : type.bits_fallback,
          .source_grid = type.grid,
          .note = type.note};
}

// A GGUF is taken as it is, and what it holds is the original. What is quantised already would lose
// twice.
std::vector<Recipe> recipes_for_file(const Model& model) {
  constexpr const char* kAsItIs = "auto";
  std::vector<Recipe> recipes{
      unquantised("original", kAsItIs, stored_bits_per_weight(model), "the file as it is")};
  if (!is_float(model.precision)) return recipes;
  for (const auto& type : kTypes) recipes.push_back(quantised(type, kAsItIs, model));
  return recipes;
}

}  // namespace

std::vector<Recipe> recipes_for(const Model& model) {
  if (model.format == "gguf") return recipes_for_file(model);
  std::vector<Recipe> recipes{
      unquantised("f32", "f32", 32, "every weight in 32 bits: the quality reference")};
  // Weights that no wider type holds, such as f32 itself, are quantised from f32.
  std::string base = "f32";
  const auto half = std::find_if(kFloats.begin(), kFloats.end(), [&](const FloatType& type) {
    return model.precision == type.name;
  });
  if (half != kFloats.end()) {
    base = half->name;
    recipes.push_back(unquantised(base, base, half->bits, "the original's precision"));
  } else if (model.kind == ModelKind::embedding) {
    recipes.push_back({.name = "f16",
                       .backend = "llama_cpp",
                       .steps = {converted_to("f16")},
                       .bits_per_weight = 16,
                       .note = "half the bytes, rounded to 11 significant bits"});
  }
  for (const auto& type : kTypes) recipes.push_back(quantised(type, base, model));
  return recipes;
}

std::vector<RunPreset> presets_for(const CpuVariants& variants, const Model& model) {
  std::vector<RunPreset> presets{{"default", {}, "llama.cpp's own defaults"},
                                 {"flash_off",
                                  {{"flash_attention", "off"}},
                                  "plain attention: often faster at depth on CPUs"}};
  // An encoder keeps nothing from one text to the next.
  if (model.kind == ModelKind::llm)
    presets.push_back({"kv_q8_0",
                       {{"flash_attention", "on"}, {"kv_cache_type", "q8_0"}},
                       "less memory traffic for the cache"});
  const auto best = variants.best(2);
  const auto has_amx = [&](const CpuVariant& variant) {
    const auto& features = variants.tested(variant).features;
    return std::any_of(features.begin(), features.end(),
                       [](const std::string& feature) { return feature.starts_with("AMX"); });
  };
  // AMX helps some types and costs memory; otherwise the best variant contains what the next one
  // does.
  if (best.size() == 2 && has_amx(best[0]) && !has_amx(best[1])) {
    presets.push_back(
        {"without_amx", {{"cpu_variant", best[1].name}}, "the kernels without AMX tiles"});
  }
  return presets;
}

}  // namespace strop::llama_cpp
