// What OpenVINO is offered for a model: precisions of the weights, and run presets worth trying.
#pragma once

#include <string>
#include <vector>

#include "options.h"
#include "strop/model.h"

namespace strop::openvino {

// Of a graph that is no decoder, or of a text encoder: as it is, in 16 and in 8 bits.
std::vector<Recipe> tensor_recipes(const Model& model);

// Of decoders that the toolchain optimum exports.
std::vector<Recipe> exported_recipes();

// From unquantised to small. The IR is right up to the model's own context length.
std::vector<Recipe> recipes_for(const Model& model);

// `precisions`: those that the CPU can compute in.
std::vector<RunPreset> presets_for(SessionKind kind, const std::vector<std::string>& precisions);

}  // namespace strop::openvino
