// What Olive makes of a model for ONNX Runtime; its toolchain may not be installed.
#pragma once

#include <vector>

#include "strop/model.h"
#include "strop/recipe.h"

namespace strop::onnxruntime {

// Of a decoder in a Hugging Face folder, on the f32 file that the convert worker makes.
std::vector<Recipe> olive_decoder_recipes();

// Of an ONNX file, as it is.
std::vector<Recipe> olive_tensor_recipes();

// Of a BERT-type encoder in a Hugging Face folder, on the f32 file that the convert worker makes.
std::vector<Recipe> olive_encoder_recipes();

}  // namespace strop::onnxruntime
