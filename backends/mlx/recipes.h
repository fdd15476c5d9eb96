// What MLX is offered for a model: grids of the weights.
#pragma once

#include <string>
#include <vector>

#include "strop/model.h"
#include "strop/recipe.h"

namespace strop::mlx {

// 4 bits in groups of 64 first, the usual choice; empty when no group divides the model's width.
// `stand_in`: this machine is too slow to score MLX's own logits over a text.
std::vector<Recipe> recipes_for(const Model& model, bool stand_in);

}  // namespace strop::mlx
