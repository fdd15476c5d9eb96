#include "recipes.h"

#include <algorithm>
#include <array>

#include "core/units.h"

namespace strop::openvino {
namespace {

// When a model does not say how long its texts may be.
constexpr std::uint32_t kUsualContext = 4096;

Recipe recipe(const Model& model, const std::string& name, const std::string& quantised,
              double bits, const std::string& note) {
  Recipe made{.name = name, .backend = "openvino", .bits_per_weight = bits, .note = note};
  made.steps.push_back({"convert", Operation::convert, {{"to", "gguf"}, {"type", "f16"}}});
  if (!quantised.empty())
    made.steps.push_back({"convert", Operation::quantize, {{"type", quantised}}});
  const auto context = std::to_string(model.context_length.value_or(kUsualContext));
  made.steps.push_back({"openvino", Operation::convert, {{"context", context}}});
  return made;
}

// One of NNCF's weight compressions, on the IR of the 16-bit weights. Groups of 0: one per row.
struct Compression {
  const char* name;
  const char* mode;
  std::uint32_t group;
  double ratio;  // of the linear layers that get 4 bits; the others get 8
  double offset_bits;
  const char* grid;
  const char* note;
};

constexpr std::array kCompressions{
    Compression{"nncf_int8", "int8_asym", 0, 0, 8, "", "8 bits with an offset, a scale per row"},
    Compression{"nncf_int8_sym", "int8_sym", 0, 0, 0, "", "8 bits, a scale per row"},
    Compression{"nncf_int4_g64", "int4_sym", 64, 1, 0, "", "4 bits, groups of 64: the smallest"},
    Compression{"nncf_int4_asym_g64", "int4_asym", 64, 1, 4, "",
                "4 bits with an offset, groups of 64"},
    Compression{"nncf_int4_g128", "int4_sym", 128, 1, 0, "", "4 bits, groups of 128"},
    Compression{"nncf_mixed", "int4_asym", 64, 0.8, 4, "",
                "4 bits with an offset, the most sensitive fifth of the layers in 8"},
    // The values of the grid, so a model that lies on it is kept as it is.
    Compression{"nncf_int4_asym_g32", "int4_asym", 32, 1, 4, "q4_1",
                "4 bits with an offset, groups of 32"},
};

constexpr double kScaleBits = 16;

// Nominal bits of a weight with what its group or row adds. NNCF keeps the embedding in 8 bits.
double bits_of(const Compression& how, const Model& model) {
  const double row = model.width ? static_cast<double>(*model.width) : 1024;
  const double eight = 8 + (kScaleBits + 8) / row;
  if (how.group == 0) return 8 + (kScaleBits + how.offset_bits) / row;
  const double four = 4 + (kScaleBits + how.offset_bits) / how.group;
  const double linear = how.ratio * four + (1 - how.ratio) * eight;
  if (!model.parameter_count || !model.vocabulary_size || *model.parameter_count == 0)
    return linear;
  const double embedding = std::min(1.0, row * static_cast<double>(*model.vocabulary_size) /
                                             static_cast<double>(*model.parameter_count));
  return embedding * eight + (1 - embedding) * linear;
}

Recipe compressed(const Model& model, const Compression& how) {
  Recipe made =
      recipe(model, how.name, "", bits_of(how, model), std::string(how.note) + "; by NNCF");
  made.source_grid = how.grid;
  Step step{"nncf", Operation::quantize, {{"method", "weights"}, {"mode", how.mode}}};
  if (how.group != 0) {
    step.params["group_size"] = std::to_string(how.group);
    step.params["ratio"] = number_text(how.ratio);
  }
  made.steps.push_back(std::move(step));
  return made;
}

// A group must not reach over the end of a row.
bool fits(const Compression& how, const Model& model) {
  return how.group == 0 || !model.width || *model.width % how.group == 0;
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

std::vector<Recipe> recipes_for(const Model& model) {
  auto f16 = recipe(model, "f16", "", 16, "weights in 16 bits");
  f16.lossless = model.precision != "f32";  // 16 bits hold what was trained in 16 bits or quantised
  std::vector<Recipe> recipes{
      f16, recipe(model, "int8", "q8_0", 8.5, "8 bits, groups of 32: near the original"),
      recipe(model, "int4", "q4_0", 4.5, "4 bits, groups of 32: small")};
  for (const Compression& how : kCompressions) {
    if (fits(how, model)) recipes.push_back(compressed(model, how));
  }
  return recipes;
}

std::vector<RunPreset> presets_for(const std::vector<std::string>& precisions) {
  std::vector<RunPreset> presets{{"default", {}, "the plug-in's own defaults"},
                                 {"whole_activations",
                                  {{"dynamic_quantization_group", "0"}},
                                  "activations are not rounded to 8 bits: nearer to the original"},
                                 {"kv_f16",
                                  {{"kv_cache_precision", "f16"}},
                                  "cached keys and values in 16 bits: no conversion"}};
  if (contains(precisions, "bf16"))
    presets.push_back({"f32", {{"precision_hint", "f32"}}, "exact arithmetic: slower prompts"});
  return presets;
}

}  // namespace strop::openvino
