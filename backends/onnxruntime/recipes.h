// What ONNX Runtime offers for a model: recipes and run presets, most useful first.
#pragma once

#include <vector>

#include "strop/model.h"
#include "strop/recipe.h"

namespace strop::onnxruntime {

// Of a decoder in a Hugging Face folder; the convert worker makes them.
std::vector<Recipe> decoder_recipes();

// Of an ONNX file.
std::vector<Recipe> tensor_recipes(const Model& model);

// Of a BERT-type encoder in a Hugging Face folder; the convert worker makes the ONNX file first.
std::vector<Recipe> encoder_recipes();

// Those of the providers that the library has, among others. `tensors`: for a model that is no
// decoder.
std::vector<RunPreset> run_presets(bool tensors);

}  // namespace strop::onnxruntime
