// The text that artifacts are evaluated on, as token ids of the original's tokenizer.
#pragma once

#include "measure/evaluation.h"
#include "measure/ruler.h"
#include "pipeline/context.h"
#include "strop/artifact.h"

namespace strop::pipeline {

// One part of the user's data: NAME=PATH of --data, or the whole of it without a name.
struct DataPart {
  std::string domain;
  std::string path;
};
// "PATH", or "NAME=PATH,NAME2=PATH2". A path that exists is a path, whatever is in its name.
Result<std::vector<DataPart>> data_parts(const std::string& data);

struct EvaluationText {
  measure::Evaluation evaluation;
  std::vector<measure::SequenceName> names;  // of the evaluation's sequences
  std::vector<TokenId> prompt;               // of the timed request, from the front of the text
};

// Each document is cut into sequences of the goal's evaluation context, or of the model's where
// that is shorter; a rest too short to score is left out. The domain of Strop's own documents is
// the kind of text: news, code, mail.
Result<EvaluationText> read_evaluation_text(const Artifact& with_vocabulary,
                                            std::optional<std::uint64_t> context_length,
                                            Context& context);

// The token ids of each .txt file of a folder, in order of their names.
Result<std::vector<std::vector<TokenId>>> tokens_of_folder(const std::filesystem::path& folder,
                                                           const Artifact& with_vocabulary,
                                                           Context& context);

}  // namespace strop::pipeline
