// How far each artifact's predictions are from the quality reference's.
#pragma once

#include "pipeline/contestant.h"
#include "pipeline/evaluation_text.h"
#include "pipeline/tasks.h"

namespace strop::pipeline {

// One pass of the reference trial over the text; the compact record of its outputs lies at the
// returned path.
Result<std::filesystem::path> make_quality_reference(const Trial& reference,
                                                     const EvaluationText& text,
                                                     const Report& report, Context& context);

// What every artifact is asked.
struct QualityInputs {
  EvaluationText text;
  EvaluationTasks tasks;
};

// Quality metrics of the trial and the conditions of its worker, with the raw samples in the run
// folder.
Result<Measurement> measure_quality(const Trial& trial, const QualityInputs& inputs,
                                    const std::filesystem::path& reference, const Report& report,
                                    Context& context);

}  // namespace strop::pipeline
