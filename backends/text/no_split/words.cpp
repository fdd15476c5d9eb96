// Beside an installed llama.cpp there are no sources of its splitter.
#include "words.h"

namespace strop::text {

bool knows_words(std::string_view) { return false; }
std::vector<std::string> words_of(std::string_view) { return {}; }

}  // namespace strop::text
