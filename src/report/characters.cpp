// Model, recipe and file names come from strangers: a terminal obeys escape sequences and a page
// shows text in the order a direction override asks for. What cannot be seen as it is becomes a
// replacement character.
#include <algorithm>
#include <array>
#include <utility>

#include "report/characters.h"
#include "report/figures.h"

namespace strop {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

constexpr std::size_t sequence_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  if (lead >= 0xF0 && lead < 0xF5) return 4;
  return 0;
}

constexpr bool is_scalar(char32_t code, std::size_t length) {
  constexpr std::array<char32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  return code >= kSmallest[length] && code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
}

constexpr bool within(char32_t code, char32_t first, char32_t last) {
  return code >= first && code <= last;
}

constexpr bool hidden(char32_t code) {
  return code < 0x20 || within(code, 0x7F, 0x9F) || within(code, 0x200B, 0x200F) ||
         within(code, 0x2028, 0x202E) || within(code, 0x2060, 0x206F) || code == 0xFEFF;
}

// Zero-width marks, or the blocks that terminals show two columns wide.
constexpr int columns(char32_t code) {
  if (within(code, 0x300, 0x36F) || within(code, 0xFE00, 0xFE0F)) return 0;
  const bool wide = within(code, 0x1100, 0x115F) || within(code, 0x2E80, 0xA4CF) ||
                    within(code, 0xAC00, 0xD7A3) || within(code, 0xF900, 0xFAFF) ||
                    within(code, 0xFE30, 0xFE6F) || within(code, 0xFF00, 0xFF60) ||
                    within(code, 0x1F300, 0x1FAFF) || within(code, 0x20000, 0x3FFFD);
  return wide ? 2 : 1;
}

void append_utf8(std::string& out, char32_t code) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((code >> shift) & 0x3F)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    tail(12), tail(6), tail(0);
  }
}

}  // namespace

char32_t next_code_point(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t length = sequence_length(lead);
  char32_t code = length == 1 ? lead : lead & (0xFFU >> (length + 1));
  bool valid = length > 0 && length <= text.size();
  for (std::size_t i = 1; valid && i < length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    valid = (byte & 0xC0) == 0x80;
    code = (code << 6) | (byte & 0x3F);
  }
  valid = valid && is_scalar(code, length);
  text.remove_prefix(valid ? length : 1);
  return valid ? code : kReplacement;
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const char32_t code = next_code_point(text);
    append_utf8(out, code == '\n' || code == '\t' ? U' ' : hidden(code) ? kReplacement : code);
  }
  return out;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) width += static_cast<std::size_t>(columns(next_code_point(text)));
  return width;
}

std::string clipped(std::string_view text, std::size_t width, std::string_view ellipsis) {
  if (display_width(text) <= width) return std::string(text);
  const std::size_t room = width - std::min(width, display_width(ellipsis));
  std::string out;
  std::size_t used = 0;
  while (!text.empty()) {
    const char32_t code = next_code_point(text);
    used += static_cast<std::size_t>(columns(code));
    if (used > room) break;
    append_utf8(out, code);
  }
  return out + std::string(ellipsis);
}

std::string to_ascii(std::string_view text) {
  static constexpr std::array<std::pair<char32_t, std::string_view>, 10> kPlain{
      {{U'\u2605', "*"},
       {U'\u25CF', "o"},
       {U'\u2014', "-"},
       {U'\u2013', "-"},
       {U'\u2026', ".."},
       {U'\u00B7', "|"},
       {U'\u2192', "->"},
       {U'\u2500', "-"},
       {U'\u00D7', "x"},
       {U'\u00B1', "+-"}}};
  std::string out;
  while (!text.empty()) {
    const char32_t code = next_code_point(text);
    const auto* plain =
        std::find_if(kPlain.begin(), kPlain.end(), [&](const auto& p) { return p.first == code; });
    if (code < 0x80)
      out += static_cast<char>(code);
    else
      out += plain != kPlain.end() ? plain->second : "?";
  }
  return out;
}

}  // namespace strop
