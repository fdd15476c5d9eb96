// Characters of a terminal or a page: decoding that survives any bytes, and how wide text appears.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace strop {

// Takes one code point off the front of a text that is not empty; U+FFFD for bytes that are not
// UTF-8.
char32_t next_code_point(std::string_view& text);

// Columns on a terminal.
std::size_t display_width(std::string_view text);

// At most `width` columns, ending in the ellipsis where something was left out.
std::string clipped(std::string_view text, std::size_t width, std::string_view ellipsis);

// Our own marks have plain forms; every other foreign character becomes '?'.
std::string to_ascii(std::string_view text);

}  // namespace strop
