// What OpenVINO is offered for a model: precisions of the weights, and run presets worth trying.
#pragma once

#include <string>
#include <vector>

#include "strop/model.h"
#include "strop/recipe.h"

namespace strop::openvino {

// From unquantised to small. The IR is right up to the model's own context length.
std::vector<Recipe> recipes_for(const Model& model);

// `precisions`: those that the CPU can compute in.
std::vector<RunPreset> presets_for(const std::vector<std::string>& precisions);

}  // namespace strop::openvino
