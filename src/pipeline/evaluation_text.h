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

// The token ids of each .txt file of a folder, in order of their names.
Result<std::vector<std::vector<TokenId>>> tokens_of_folder(const std::filesystem::path& folder,
                                                           const Artifact& with_vocabulary,
                                                           Context& context);

}  // namespace strop::pipeline
