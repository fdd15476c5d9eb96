// Model + Target -> Assessment: the verdict before the work, from metadata only.
#pragma once

#include <vector>

#include "strop/assessment.h"
#include "strop/goal.h"
#include "strop/model.h"
#include "strop/target.h"

namespace strop {

// Pure. The strategy is the first rule that fits: apple, intel, enterprise (more than 7,000,000,000
// parameters), else lightweight; share/plan says which framework each stands for.
Assessment assess(const Model& model, const Target& target, const Goal& goal,
                  const std::vector<BackendFit>& fits);

}  // namespace strop
