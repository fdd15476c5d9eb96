// The tokenizer of a BERT-type encoder in GGUF.
#pragma once

#include <filesystem>

#include "formats/gguf.h"
#include "formats/huggingface.h"
#include "strop/result.h"

namespace strop::convert {

// Adds it as llama.cpp's converter does ("\u2581word" begins a word, "piece" goes on), with two
// keys of our own that it lacks: strop.tokenizer.fold (1: accents and upper case are lost) and
// strop.tokenizer.longest_word (characters).
void add_word_piece(formats::GgufWriter& writer, const formats::WordPieceTokenizer& tokenizer);

// A vocabulary-only GGUF for the text worker.
Result<void> write_word_piece(const std::filesystem::path& folder,
                              const std::filesystem::path& out);

}  // namespace strop::convert
