// The floats that models store, and those of 16 bits made floats: IEEE 754 binary16 (f16), and
// bf16, the upper half of a float.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

namespace strop {

// As the formats name them, all readable by from_bf16, from_f16 or as they are.
constexpr bool is_float(std::string_view type) {
  return type == "f32" || type == "f16" || type == "bf16";
}

constexpr float from_bf16(std::uint16_t bits) {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

constexpr float from_f16(std::uint16_t bits) {
  const std::uint32_t sign = std::uint32_t{bits & 0x8000u} << 16, exponent = (bits >> 10) & 0x1fu,
                      mantissa = bits & 0x3ffu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  // Subnormal: an integer multiple of 2^-24.
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

}  // namespace strop
