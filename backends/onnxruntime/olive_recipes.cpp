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

}  // namespace

// Bits count the f32 scale of each block of 32, and its zero point.
std::vector<Recipe> olive_decoder_recipes() {
  const Step f32{"convert", Operation::convert, {{"to", "onnx"}, {"type", "f32"}}};
  Recipe k_quant = quantised("olive_k_quant", 5.125, f32, {{"method", "k_quant"}, {"bits", "4"}},
                             "4 bits with zero points fitted to the weights, blocks of 32");
  k_quant.source_grid = "q4_1";
  return {k_quant, quantised("olive_rtn_int4", 5, f32, {{"method", "rtn"}, {"bits", "4"}},
                             "4 bits, rounded to the nearest, blocks of 32")};
}

std::vector<Recipe> olive_tensor_recipes() {
  const Step as_it_is{"onnxruntime", Operation::convert, {}};
  return {quantised("olive_dynamic", 8, as_it_is, {{"method", "dynamic"}},
                    "8 bits, activations rounded as they come")};
}

}  // namespace strop::onnxruntime
