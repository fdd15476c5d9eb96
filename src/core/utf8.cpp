#include "core/utf8.h"

#include <cstdint>

namespace strop {
namespace {

struct Piece {
  std::size_t bytes = 1;
  bool valid = false;
};

// What may follow a lead byte: how many bytes in all, and the range of the second.
struct Form {
  std::size_t bytes;
  std::uint8_t second_min, second_max;
};

Form form_of(std::uint8_t lead) {
  if (lead >= 0xC2 && lead <= 0xDF) return {2, 0x80, 0xBF};
  if (lead == 0xE0) return {3, 0xA0, 0xBF};
  if (lead == 0xED) return {3, 0x80, 0x9F};
  if (lead >= 0xE1 && lead <= 0xEF) return {3, 0x80, 0xBF};
  if (lead == 0xF0) return {4, 0x90, 0xBF};
  if (lead >= 0xF1 && lead <= 0xF3) return {4, 0x80, 0xBF};
  if (lead == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// The character at the beginning, or the longest part of one that could have become valid.
Piece first_piece(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  if (byte(0) < 0x80) return {1, true};
  const auto form = form_of(byte(0));
  if (form.bytes == 0) return {};
  for (std::size_t i = 1; i < form.bytes; ++i) {
    const std::uint8_t min = i == 1 ? form.second_min : 0x80, max = i == 1 ? form.second_max : 0xBF;
    if (i >= text.size() || byte(i) < min || byte(i) > max) return {i, false};
  }
  return {form.bytes, true};
}

}  // namespace

std::optional<std::size_t> invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto piece = first_piece(text.substr(at));
    if (!piece.valid) return at;
    at += piece.bytes;
  }
  return std::nullopt;
}

std::string repaired_utf8(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const auto piece = first_piece(text.substr(at));
    result += piece.valid ? text.substr(at, piece.bytes) : std::string_view("\xEF\xBF\xBD");
    at += piece.bytes;
  }
  return result;
}

}  // namespace strop
