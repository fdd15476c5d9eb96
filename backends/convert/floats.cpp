#include "floats.h"

#include <bit>
#include <cstdint>
#include <cstring>

#include "core/half.h"

namespace strop::convert {
namespace {

std::uint32_t bits_of_f16(std::uint16_t half) {
  return std::bit_cast<std::uint32_t>(from_f16(half));
}

std::uint16_t f16_of_bits(std::uint32_t bits) {
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x47800000u)
    return static_cast<std::uint16_t>(sign | 0x7c00u);  // 65536 and above
  if (magnitude < 0x38800000u) {
    // Below 2^-14: adding 0.5 moves the last kept bit to the end of the mantissa, and the addition
    // rounds to even.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
  }
  const std::uint32_t odd = (magnitude >> 13) & 1;
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
}

std::uint16_t bf16_of_bits(std::uint32_t bits) {
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
}

template <class Stored, class Widen, class Narrow, class Narrowed>
bool convert(std::string_view from, std::string& out, Widen widen, Narrow narrow,
             Narrowed infinity) {
  const std::size_t count = from.size() / sizeof(Stored);
  const std::size_t begin = out.size();
  out.resize(begin + count * sizeof(Narrowed));
  bool finite = true;
  for (std::size_t i = 0; i < count; ++i) {
    Stored stored;
    std::memcpy(&stored, from.data() + i * sizeof stored, sizeof stored);
    const std::uint32_t bits = widen(stored);
    const Narrowed narrowed = narrow(bits);
    finite &= (bits & 0x7f800000u) != 0x7f800000u && (narrowed & infinity) != infinity;
    std::memcpy(out.data() + begin + i * sizeof narrowed, &narrowed, sizeof narrowed);
  }
  return finite;
}

template <class Stored, class Widen>
bool convert_to(std::string_view from, FloatType to, std::string& out, Widen widen) {
  switch (to) {
    case FloatType::f32:
      return convert<Stored>(
          from, out, widen, [](std::uint32_t b) { return b; }, std::uint32_t{0x7f800000});
    case FloatType::f16:
      return convert<Stored>(from, out, widen, f16_of_bits, std::uint16_t{0x7c00});
    case FloatType::bf16:
      return convert<Stored>(from, out, widen, bf16_of_bits, std::uint16_t{0x7f80});
  }
  return false;
}

}  // namespace

std::optional<FloatType> float_type(std::string_view name) {
  if (name == "f32") return FloatType::f32;
  if (name == "f16") return FloatType::f16;
  if (name == "bf16") return FloatType::bf16;
  return std::nullopt;
}

std::size_t element_bytes(FloatType type) { return type == FloatType::f32 ? 4 : 2; }

bool append_converted(std::string_view from, FloatType type, FloatType to, std::string& out) {
  switch (type) {
    case FloatType::f32:
      return convert_to<std::uint32_t>(from, to, out, [](std::uint32_t b) { return b; });
    case FloatType::f16:
      return convert_to<std::uint16_t>(from, to, out, bits_of_f16);
    case FloatType::bf16:
      return convert_to<std::uint16_t>(from, to, out,
                                       [](std::uint16_t b) { return std::uint32_t{b} << 16; });
  }
  return false;
}

}  // namespace strop::convert
