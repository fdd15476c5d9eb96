// Which framework opens which artifact, and whether its answers are still the original's.
#pragma once

#include <vector>

#include "pipeline/exam.h"

namespace strop::pipeline {

// Wall time that measuring leaves for it.
double matrix_seconds(const Goal& goal);

// Every measured artifact in every framework of the plan. The one that it was made for has been
// measured already; the others answer a few questions each, as long as a tenth of the budget pays
// for it. A framework that refuses a format is not asked again for it.
Result<std::vector<CrossCheck>> cross_validate(const Exam& exam, const Report& report,
                                               Context& context);

}  // namespace strop::pipeline
