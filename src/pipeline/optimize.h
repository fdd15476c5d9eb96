// One recipe's artifact, made step by step in workers.
#pragma once

#include "pipeline/context.h"
#include "strop/artifact.h"
#include "strop/model.h"
#include "strop/recipe.h"

namespace strop::pipeline {

// From the store when it is there, else made: recipes that begin alike share what they have in
// common.
Result<Artifact> artifact_of(const Recipe& recipe, const Model& model, Context& context);

}  // namespace strop::pipeline
