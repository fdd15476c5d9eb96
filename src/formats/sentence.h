// What sentence-transformers keeps beside a text encoder: how tokens become one vector, and how
// many tokens a text may have.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "formats/huggingface.h"
#include "strop/result.h"

namespace strop::formats {

struct SentencePooling {
  bool mean = false, normalise = false;
  std::string left_out;  // why there is no sentence embedding, where the folder asks for one
};

// What comes after the encoder, by modules.json; nothing in a folder without that file.
Result<SentencePooling> read_sentence_pooling(const std::filesystem::path& folder);

// Tokens of a text, those around it included: sentence_bert_config.json's max_seq_length, else
// tokenizer_config.json's model_max_length; never more than the model's positions. 0: nothing says.
Result<std::uint32_t> read_text_limit(const std::filesystem::path& folder);

}  // namespace strop::formats
