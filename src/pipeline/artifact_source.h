// Something that runs, as people name it: a file, an artifact's folder, or an id of the store.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pipeline/context.h"
#include "pipeline/evaluation_text.h"
#include "strop/artifact.h"

namespace strop::pipeline {

// One digest for everything that a model is made of: its folder, or its file with the files of its
// weights.
Result<std::string> digest_of_model(const std::filesystem::path& path, const Model& model,
                                    Context& context);

// "NAME", or "WORKER:NAME" to choose the engine. Without a manifest beside it, format and engine
// come from the file itself and share/measure/engines.json. Fails with not_found when nothing of
// that name is there, with invalid_input when an id stands for several artifacts or a model must be
// converted before it can run.
Result<Artifact> artifact_at(const std::string& name, Context& context);

// The file that the worker `text` opens: vocab.gguf beside the artifact, or the artifact itself
// where its format holds a vocabulary. Empty when there is none.
Result<std::filesystem::path> vocabulary_of(const Artifact& artifact, const Context& context);

// A prompt where there is no text: drawn evenly of the vocabulary.
std::vector<TokenId> random_ids(std::size_t count, std::uint32_t vocabulary, std::uint64_t seed);

// The artifact's own tokenizer; not_found where none lies beside it.
Result<std::unique_ptr<Tokenizer>> tokenizer_of(const Artifact& artifact, Context& context);

// The evaluation text by the artifact's own tokenizer.
Result<EvaluationText> text_for(const Artifact& artifact, Context& context);

}  // namespace strop::pipeline
