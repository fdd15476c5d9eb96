// Tokenizing on llama.cpp's vocabulary code.
#pragma once

#include <llama.h>

#include <filesystem>
#include <memory>
#include <optional>

#include "byte_pairs.h"
#include "strop/text.h"
#include "word_piece.h"

namespace strop::text {

struct FreeModel {
  void operator()(llama_model* model) const { llama_model_free(model); }
};
using ModelPtr = std::unique_ptr<llama_model, FreeModel>;

class LlamaTokenizer final : public Tokenizer {
 public:
  static Result<std::unique_ptr<Tokenizer>> open(const std::filesystem::path& vocabulary);

  const TokenizerInfo& info() const override { return info_; }
  Result<std::vector<TokenId>> encode(std::string_view text, bool add_special,
                                      bool parse_special) override;
  Result<std::string> decode(std::span<const TokenId> ids) override;
  Result<std::string> chat(std::span<const ChatMessage> messages,
                           bool add_generation_prompt) override;

 private:
  LlamaTokenizer(ModelPtr model, std::string pre_tokenizer, std::optional<BytePairs> byte_pairs,
                 std::optional<WordPiece> word_piece);
  Result<std::vector<TokenId>> engine_ids(std::string_view text, bool add_special,
                                          bool parse_special) const;
  std::optional<std::vector<TokenId>> with_lacking_bytes(std::string_view text,
                                                         std::span<const TokenId> ids) const;
  std::string piece(TokenId id) const;
  std::string joined_pieces(std::span<const TokenId> ids) const;
  std::string detokenized(std::span<const TokenId> ids) const;

  ModelPtr model_;
  const llama_vocab* vocabulary_;
  TokenizerInfo info_;
  std::optional<BytePairs> byte_pairs_;  // where the vocabulary lacks bytes
  std::optional<WordPiece> word_piece_;  // encodes in llama.cpp's place
};

class LlamaTextBackend final : public TextBackend {
 public:
  LlamaTextBackend();
  BackendInfo info() const override;
  Result<std::unique_ptr<Tokenizer>> open(const std::filesystem::path& vocabulary) const override;
};

}  // namespace strop::text
