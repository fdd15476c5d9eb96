// Byte-level BPE for vocabularies that lack a token for some bytes. Hugging Face's tokenizers drop
// such a byte before they merge, llama.cpp drops it afterwards; the ids are Hugging Face's.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "formats/gguf.h"
#include "strop/text.h"

namespace strop::text {

class BytePairs {
 public:
  // Nothing where every byte has a token, and where nobody tells how the pre-tokenizer splits: the
  // engine's ids are taken there.
  static std::optional<BytePairs> of(const formats::GgufFile& vocabulary);

  bool has(char byte) const { return bytes_[static_cast<std::uint8_t>(byte)] >= 0; }
  bool lacks_any_of(std::string_view text) const;

  // text: valid UTF-8 that is no special token.
  std::vector<TokenId> encode(std::string_view text) const;

 private:
  struct Merge {
    std::uint32_t rank;  // the lowest goes first
    TokenId made;
  };
  const Merge* merge_of(TokenId left, TokenId right) const;
  void append_merged(std::string_view word, std::vector<TokenId>& ids) const;

  std::array<TokenId, 256> bytes_{};  // -1: none
  std::unordered_map<std::uint64_t, Merge> merges_;
};

}  // namespace strop::text
