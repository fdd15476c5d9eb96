// With llama.cpp's own splitter, which its library does not offer: it is compiled from the sources.
#include "words.h"

#include <unicode.h>

namespace strop::text {

bool knows_words(std::string_view pre_tokenizer) { return pre_tokenizer == "smollm"; }

std::vector<std::string> words_of(std::string_view text) {
  // Single digits, then GPT-2's words. llama.cpp has a splitter of its own for just this text.
  static const std::vector<std::string> kExpressions{
      "\\p{N}", "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"};
  return unicode_regex_split(std::string(text), kExpressions, false);
}

}  // namespace strop::text
