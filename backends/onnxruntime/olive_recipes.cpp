#include "olive_recipes.h"

namespace strop::onnxruntime {
namespace {

Recipe quantised(const std::string& name, double bits, const Step& first,
                 std::map<std::string, std::string> params, const std::string& note) {
  Recipe made{
      .name = name, .backend = "onnxruntime", .bits_per_weight = bits, .note = note + "; by Olive"};
  made.steps = {first, {"olive", Operation::quantize, std::move(params)}};
  return made;
}

// As many as Strop gives at most.
constexpr const char* kMostSamples = "128";

std::vector<Recipe> with_activations(const Step& first) {
  return {quantised("olive_dynamic", 8, first, {{"method", "dynamic"}},
                    "8 bits, activations rounded as they come"),
          quantised(
              "olive_static", 8, first,
              {{"method", "static"}, {"calibrate_method", "MinMax"}, {"calibration", kMostSamples}},
              "weights and activations in int8, ranges measured on calibration samples")};
}

}  // namespace

// Bits count the f32 scale of each block of 32, and its zero point.
std::vector<Recipe> olive_decoder_recipes() {
  const Step f32{"convert", Operation::convert, {{"to", "onnx"}, {"type", "f32"}}};
  // On the folder, before it becomes ONNX: the weights keep the grid that Olive found.
  Recipe gptq{
      .name = "olive_gptq",
      .backend = "onnxruntime",
      .steps = {{"olive",
                 Operation::quantize,
                 {{"method", "gptq"}, {"bits", "4"}, {"group_size", "32"}, {"calibration", "32"}}},
                {"convert",
                 Operation::convert,
                 {{"to", "onnx"},
                  {"type", "int4"},
                  {"block_size", "32"},
                  {"symmetric", "false"},
                  {"embedding", "int8"}}}},
      .bits_per_weight = 5.125,
      .source_grid = "int4",
      .note =
          "4 bits, the error of each column made good by the next ones, blocks of 32; by Olive"};
  return {quantised("olive_k_quant", 5.125, f32, {{"method", "k_quant"}, {"bits", "4"}},
                    "4 bits with zero points fitted to the weights, blocks of 32"),
          quantised("olive_rtn_int4", 5, f32, {{"method", "rtn"}, {"bits", "4"}},
                    "4 bits, rounded to the nearest, blocks of 32"),
          quantised("olive_rtn_int8", 9, f32, {{"method", "rtn"}, {"bits", "8"}},
                    "8 bits, rounded to the nearest, blocks of 32"),
          gptq};
}

std::vector<Recipe> olive_tensor_recipes() {
  return with_activations({"onnxruntime", Operation::convert, {}});
}

std::vector<Recipe> olive_encoder_recipes() {
  const Step f32{"convert", Operation::convert, {{"to", "onnx"}, {"type", "f32"}}};
  auto recipes = with_activations(f32);
  Recipe fused{
      .name = "olive_fused",
      .backend = "onnxruntime",
      .steps = {f32,
                {"olive", Operation::fuse, {{"method", "transformer"}, {"model_type", "bert"}}}},
      .bits_per_weight = 32,
      .lossless = true,
      .note = "attention and normalisation as one operator each; by Olive"};
  recipes.push_back(std::move(fused));
  return recipes;
}

}  // namespace strop::onnxruntime
