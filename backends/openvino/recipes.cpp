#include "recipes.h"

#include <algorithm>

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

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

std::vector<Recipe> recipes_for(const Model& model) {
  auto f16 = recipe(model, "f16", "", 16, "weights in 16 bits");
  f16.lossless = model.precision != "f32";  // 16 bits hold what was trained in 16 bits or quantised
  return {f16, recipe(model, "int8", "q8_0", 8.5, "8 bits, groups of 32: near the original"),
          recipe(model, "int4", "q4_0", 4.5, "4 bits, groups of 32: small")};
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
