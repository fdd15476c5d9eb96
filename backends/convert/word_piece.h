// The tokenizer of a BERT-type encoder as a vocabulary-only GGUF for the text worker.
#pragma once

#include <filesystem>

#include "strop/result.h"

namespace strop::convert {

// As llama.cpp's converter writes it ("\u2581word" begins a word, "piece" goes on), with two keys
// of our own that it lacks: strop.tokenizer.fold (1: accents and upper case are lost) and
// strop.tokenizer.longest_word (characters).
Result<void> write_word_piece(const std::filesystem::path& folder,
                              const std::filesystem::path& out);

}  // namespace strop::convert
