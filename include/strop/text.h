// Tokenizing and chat templates, the same for every framework. The worker `text` implements this;
// the tokenizer travels with every artifact as a vocabulary-only GGUF.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strop/backend.h"

namespace strop {

struct ChatMessage {
  std::string role;
  std::string content;
  bool operator==(const ChatMessage&) const = default;
};

struct TokenizerInfo {
  std::uint32_t vocabulary_size = 0;
  std::string pre_tokenizer;
  TokenId bos = -1;  // -1: the vocabulary has none
  TokenId eos = -1;
  bool has_chat_template = false;
  bool operator==(const TokenizerInfo&) const = default;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual const TokenizerInfo& info() const = 0;
  // Text must be valid UTF-8. add_special: what the model wants around a text (bos, ...);
  // parse_special: special tokens written in the text become their ids.
  virtual Result<std::vector<TokenId>> encode(std::string_view text, bool add_special,
                                              bool parse_special) = 0;
  virtual Result<std::string> decode(std::span<const TokenId> ids) = 0;
  // The prompt that the model's own template makes of the messages.
  virtual Result<std::string> chat(std::span<const ChatMessage> messages,
                                   bool add_generation_prompt) = 0;
};

class TextBackend {
 public:
  virtual ~TextBackend() = default;
  virtual BackendInfo info() const = 0;
  // An unknown pre-tokenizer is refused with ErrorCode::unsupported.
  virtual Result<std::unique_ptr<Tokenizer>> open(
      const std::filesystem::path& vocabulary) const = 0;
};

}  // namespace strop
