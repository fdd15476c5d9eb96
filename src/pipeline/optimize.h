// One recipe's artifact, made step by step in workers.
#pragma once

#include "pipeline/context.h"
#include "strop/artifact.h"
#include "strop/model.h"
#include "strop/recipe.h"
#include "strop/report.h"

namespace strop::pipeline {

// The artifact of the recipe for the report's model. From the store when it is there, else made:
// recipes that begin alike share what they have in common. What was calibrated is told apart by its
// samples.
Result<Artifact> artifact_of(const Recipe& recipe, const Report& report, Context& context);

// The store keeps the artifact as long as the run folder is there.
Result<void> note_use(const Artifact& artifact, const Recipe& recipe, const Report& report,
                      Context& context);

}  // namespace strop::pipeline
