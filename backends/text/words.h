// How llama.cpp splits a text into words before it merges bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace strop::text {

// Is this a pre-tokenizer whose words are known here? Those of vocabularies that have a token for
// every byte never need to be.
bool knows_words(std::string_view pre_tokenizer);

// The words of valid UTF-8, in order; together they are the text.
std::vector<std::string> words_of(std::string_view text);

}  // namespace strop::text
