// Arithmetic on numbers that a file states, and a cursor that never passes the end of the bytes it
// was given.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "strop/result.h"

namespace strop::formats {

// A count, offset or size from outside. Once an operation overflows it stays invalid.
class Checked {
 public:
  constexpr Checked(std::uint64_t value) : value_(value) {}
  constexpr Checked operator+(Checked other) const {
    Checked sum(0);
    sum.valid_ =
        !__builtin_add_overflow(value_, other.value_, &sum.value_) && valid_ && other.valid_;
    return sum;
  }
  constexpr Checked operator*(Checked other) const {
    Checked product(0);
    product.valid_ =
        !__builtin_mul_overflow(value_, other.value_, &product.value_) && valid_ && other.valid_;
    return product;
  }
  // The value rounded up to a multiple of a power of two.
  constexpr Checked aligned(std::uint64_t alignment) const {
    Checked up = *this + Checked(alignment - 1);
    up.value_ &= ~(alignment - 1);
    return up;
  }
  constexpr bool at_most(std::uint64_t limit) const { return valid_ && value_ <= limit; }
  constexpr std::optional<std::uint64_t> value() const {
    return valid_ ? std::optional(value_) : std::nullopt;
  }

 private:
  std::uint64_t value_;
  bool valid_ = true;
};

// Reads little-endian values from the front of bytes.
class Cursor {
 public:
  Cursor(std::string_view bytes, std::string what) : bytes_(bytes), what_(std::move(what)) {}

  std::uint64_t offset() const { return offset_; }
  std::uint64_t left() const { return bytes_.size() - offset_; }

  template <class T>
  Result<T> number(std::string_view field) {
    STROP_TRY(const std::string_view raw, take(sizeof(T), field));
    T value;
    std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }

  Result<std::string_view> take(std::uint64_t bytes, std::string_view field) {
    if (bytes > left())
      return corrupt(field, str("needs ", bytes, " bytes, but ", left(), " are left"));
    const std::string_view part = bytes_.substr(offset_, bytes);
    offset_ += bytes;
    return part;
  }

  Error corrupt(std::string_view field, const std::string& rule) const {
    return Error{.code = ErrorCode::corrupt,
                 .message = str("[formats] ", what_, ": ", field, " at byte ", offset_, " ", rule),
                 .hint = "The file is damaged or was not written whole; fetch or make it again.",
                 .field = std::string(field),
                 .offset = offset_};
  }

 private:
  std::string_view bytes_;
  std::string what_;
  std::uint64_t offset_ = 0;
};

}  // namespace strop::formats
