// The text that artifacts are evaluated on, as token ids of the original's tokenizer.
#pragma once

#include "measure/evaluation.h"
#include "pipeline/context.h"
#include "strop/artifact.h"

namespace strop::pipeline {

struct EvaluationText {
  measure::Evaluation evaluation;
  std::vector<TokenId> prompt;  // of the timed request, from the front of the text
};

// Each document is cut into sequences of the goal's evaluation context; a rest too short to score
// is left out.
Result<EvaluationText> read_evaluation_text(const Artifact& with_vocabulary, Context& context);

}  // namespace strop::pipeline
