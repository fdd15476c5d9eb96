// strop measure A B: two artifacts timed in turns and scored on the same ids, or two runs.
#pragma once

#include "pipeline/context.h"
#include "strop/contrast.h"

namespace strop::pipeline {

// Both opened in fresh workers, in rounds with the first once more as the control. An artifact that
// has drifted from the golden record beside it is an error (golden.h).
Result<Contrast> contrast_artifacts(const std::string& first, const std::string& second,
                                    double margin, Context& context);

// Matching trials of two runs, from their reports and stored samples; nothing is run.
Result<Contrast> contrast_runs(const std::string& first, const std::string& second, double margin);

// A run folder or its report.json.
bool is_run(const std::string& name);

}  // namespace strop::pipeline
