// Checking and repairing UTF-8: what comes in must be valid, what goes out is made so.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace strop {

// Offset of the first byte that is not part of a valid character (Unicode 15, table 3-7: no
// surrogates, no overlong forms); nothing when all of it is valid.
std::optional<std::size_t> invalid_utf8(std::string_view text);

// Every maximal invalid part becomes U+FFFD, as Hugging Face's tokenizers decode.
std::string repaired_utf8(std::string_view text);

}  // namespace strop
