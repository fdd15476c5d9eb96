// PNG and JPEG files as 8-bit RGB, in rows from the top. Alpha and embedded colour profiles are
// left out, 16 bits become 8, palettes and greys become RGB; what the camera says about rotation is
// not applied.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "strop/result.h"

namespace strop::data {

constexpr std::uint32_t kMaxSide = 1u << 14;
constexpr std::uint64_t kMaxPixels = 1ull << 26;
constexpr std::uint64_t kMaxImageFile = 256ull << 20;

struct Image {
  std::uint32_t width = 0, height = 0;
  std::vector<std::uint8_t> rgb;
};

// By its first bytes. corrupt: cut off or damaged in any way that the decoder notices, warnings
// included; unsupported: another format, or colours that are no RGB or grey (CMYK).
Result<Image> decode_image(std::string_view bytes, const std::string& what);

}  // namespace strop::data
