// The samples that an artifact of tensors is asked outside of a run.
#pragma once

#include <string>
#include <vector>

#include "measure/tensor_quality.h"
#include "pipeline/context.h"

namespace strop::pipeline {

struct SampleQuestions {
  std::uint32_t count = 0;
  measure::SampleSource sample;  // by an index below count
  measure::TensorTask task;
  std::vector<Label> labels;  // of each sample, or empty
  std::string warning;        // what a reader must know of them; empty: nothing
};

// Samples of --data, or of Strop's own text for an encoder, else those of the golden record beside
// the artifact. invalid_input where there are none.
Result<SampleQuestions> questions_for(const Artifact& artifact, Context& context);

}  // namespace strop::pipeline
