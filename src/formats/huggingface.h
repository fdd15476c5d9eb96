// A Hugging Face model folder: config.json and the tokenizer files as plain values. Code in the
// folder is never run, pickles are refused.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "strop/result.h"

namespace strop::formats {

struct RopeScaling {
  std::string kind;  // linear, llama3, ...
  double factor = 1;
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3
  std::uint32_t original_context = 0;                // llama3
  bool operator==(const RopeScaling&) const = default;
};

struct HuggingFaceConfig {
  std::string architecture;  // first of architectures, as written
  std::string model_type;
  // 0: config.json does not say, as for models that are no decoders of text.
  std::uint32_t vocabulary = 0, width = 0, layers = 0, heads = 0, kv_heads = 0, head_width = 0,
                feed_forward = 0, context = 0;
  std::optional<std::uint32_t> experts;
  double norm_epsilon = 1e-5;
  double rope_base = 10000;
  std::optional<RopeScaling> rope_scaling;
  std::optional<std::uint32_t> sliding_window;  // tokens that attention sees, where it is not all
  bool tied_embeddings = false;
  bool attention_bias = false, mlp_bias = false;
  std::string activation;  // silu
  std::string precision;   // torch_dtype, our words: f32, bf16, f16
  std::optional<std::uint32_t> bos, eos, pad;
};

// The field of config.json that a transformer needs and that is not stated: its sizes. nullopt: all
// are.
std::optional<std::string> unstated_size(const HuggingFaceConfig& config);

struct AddedToken {
  std::uint32_t id = 0;
  std::string content;
  bool special = false;
};

// A byte-level BPE tokenizer.
struct HuggingFaceTokenizer {
  std::vector<std::string> tokens;  // by id; empty where the vocabulary has a hole
  std::vector<std::string> merges;  // "left right"
  std::vector<AddedToken> added;
  std::string pre_tokenizer;  // llama.cpp's name of it
  std::optional<std::uint32_t> bos, eos, unknown, pad;
  bool add_bos = false, add_eos = false;  // around every text
  std::optional<bool> add_space_prefix;
  std::string chat_template;
};

// A WordPiece tokenizer of BERT's kind.
struct WordPieceTokenizer {
  std::vector<std::string> tokens;   // by id, as written: "word", "##piece"
  std::vector<AddedToken> added;     // all special
  bool fold = true;                  // text loses its accents and upper case; false: it keeps both
  std::uint32_t longest_word = 100;  // characters; a longer word is unknown
  std::uint32_t unknown = 0, before = 0, after = 0;  // the last two go around every text
  std::optional<std::uint32_t> pad;
};

// unsupported names the part of tokenizer.json that is not plain BERT.
Result<WordPieceTokenizer> read_word_piece(const std::filesystem::path& folder);

Result<HuggingFaceConfig> read_config(const std::filesystem::path& folder);
Result<HuggingFaceTokenizer> read_tokenizer(const std::filesystem::path& folder);
// What the plain rotary frequencies are divided by, one factor per pair, in Llama 3.1's
// long-context scaling (the model's own published formula). Empty where there is no such scaling.
std::vector<float> rotary_factors(const HuggingFaceConfig& config);
// license of the README's front matter; empty when none is stated.
std::string read_license(const std::filesystem::path& folder);
std::string read_base_model(const std::filesystem::path& folder);
// Refuses a folder whose only weights are in a format that carries code.
Result<void> refuse_pickles(const std::filesystem::path& folder);

}  // namespace strop::formats
