// WordPiece as Hugging Face's BERT tokenizers do it, id for id. llama.cpp's differs: it lowers and
// folds with other tables, keeps some marks, and knows no longest word.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "strop/backend.h"

namespace strop::text {

struct WordPieceRules {
  bool fold = true;                            // without accents and in lower case; false: cased
  std::uint32_t longest_word = 100;            // characters; a longer one is unknown
  TokenId unknown = 0, before = 0, after = 0;  // [UNK], [CLS], [SEP]
};

class WordPiece {
 public:
  // `pieces`: as llama.cpp keeps them: "\u2581word" begins a word, "piece" goes on. `special`: text
  // and id of the tokens that are taken from a text as they are.
  WordPiece(WordPieceRules rules, const std::vector<std::string>& pieces,
            std::vector<std::pair<std::string, TokenId>> special);

  // `text` must be valid UTF-8.
  std::vector<TokenId> encode(std::string_view text, bool add_special, bool parse_special) const;

 private:
  void append_part(std::string_view text, std::vector<TokenId>& ids) const;
  void append_word(const std::u32string& word, std::vector<TokenId>& ids) const;

  WordPieceRules rules_;
  std::unordered_map<std::string, TokenId> begins_, goes_on_;
  std::vector<std::pair<std::string, TokenId>> special_;
};

}  // namespace strop::text
