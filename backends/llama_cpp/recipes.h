// What llama.cpp offers to make of a model, and ways to run it.
#pragma once

#include "cpu_variants.h"
#include "strop/model.h"
#include "strop/recipe.h"

namespace strop::llama_cpp {

// The weight types, unquantised ones first.
std::vector<Recipe> recipes_for(const Model& model);

// Run options worth a trial with the kernels at hand; best first.
std::vector<RunPreset> presets_for(const CpuVariants& variants, const Model& model);

}  // namespace strop::llama_cpp
