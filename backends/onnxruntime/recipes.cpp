#include "recipes.h"

#include <map>
#include <utility>

#include "engine.h"

namespace strop::onnxruntime {
namespace {

Recipe converted(const std::string& name, double bits, std::map<std::string, std::string> params,
                 const std::string& note) {
  params["to"] = "onnx";
  Recipe recipe{.name = name, .backend = "onnxruntime", .bits_per_weight = bits, .note = note};
  recipe.steps.push_back({"convert", Operation::convert, std::move(params)});
  return recipe;
}

// A range that holds all but the rarest values, by ONNX Runtime's own default.
constexpr const char* kPercentile = "99.999";
constexpr const char* kMostSamples = "128";

Recipe quantised(std::vector<Step> steps) {
  Recipe recipe{.name = "int8_static",
                .backend = "onnxruntime",
                .steps = std::move(steps),
                .bits_per_weight = 8,
                .note = "weights and activations in int8, ranges measured on calibration samples"};
  recipe.steps.push_back({"onnxruntime",
                          Operation::quantize,
                          {{"to", "onnx"},
                           {"method", "static"},
                           {"type", "int8"},
                           {"range", "percentile"},
                           {"percentile", kPercentile},
                           {"calibration", kMostSamples}}});
  return recipe;
}

}  // namespace

// Bits count the f32 scale of each block of 32, and its zero point.
std::vector<Recipe> decoder_recipes() {
  Recipe f32 = converted("f32", 32, {{"type", "f32"}}, "weights in 32 bits");
  f32.lossless = true;
  Recipe asymmetric = converted("int4_asymmetric", 5.125,
                                {{"type", "int4"}, {"block_size", "32"}, {"symmetric", "false"}},
                                "4 bits with zero points, blocks of 32: nearer than without");
  asymmetric.source_grid = "int4";
  return {converted("int8", 9, {{"type", "int8"}, {"block_size", "32"}},
                    "8 bits, blocks of 32: near the original"),
          converted("int4", 5, {{"type", "int4"}, {"block_size", "32"}, {"embedding", "int8"}},
                    "4 bits, blocks of 32, the embedding in 8: small and quick to decode"),
          asymmetric, f32};
}

std::vector<Recipe> tensor_recipes(const Model& model) {
  Recipe original{.name = model.precision.empty() ? "original" : model.precision,
                  .backend = "onnxruntime",
                  .bits_per_weight = model.precision == "f32" ? 32.0 : 16.0,
                  .lossless = true,
                  .note = "the file as it is"};
  original.steps.push_back({"onnxruntime", Operation::convert, {}});
  if (model.precision != "f32") return {original};
  return {original, quantised({})};
}

std::vector<Recipe> encoder_recipes() {
  Recipe f32 = converted("f32", 32, {{"type", "f32"}}, "weights in 32 bits");
  f32.lossless = true;
  return {f32, quantised(f32.steps)};
}

std::vector<RunPreset> run_presets(bool tensors) {
  std::vector<RunPreset> presets{
      {"default", {}, "the engine's own defaults"},
      {"no_spinning",
       {{"spinning", "off"}},
       "threads sleep between operators: better where others need the cores"}};
  // A decoder is one chain of layers: nothing in it could run side by side.
  if (tensors)
    presets.push_back({"parallel",
                       {{"execution", "parallel"}, {"inter_threads", "2"}},
                       "branches of the graph run side by side"});
  for (const std::string& provider : providers().here) {
    if (provider != "cpu")
      presets.push_back(
          {provider, {{"provider", provider}}, "what it can take runs on " + provider});
  }
  return presets;
}

}  // namespace strop::onnxruntime
