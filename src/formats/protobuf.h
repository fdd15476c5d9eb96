// A walk over the protobuf wire: fields one after the other, nothing instantiated.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "formats/checked.h"

namespace strop::formats {

// One field of a protobuf message: a number, or bytes.
struct Field {
  std::uint32_t number = 0;
  std::uint32_t wire = 0;
  std::uint64_t value = 0;
  std::string_view bytes;
  std::string_view encoded;  // the field as it lies there, with its key
};

class Message {
 public:
  Message(std::string_view bytes, const std::string& what) : bytes_(bytes), cursor_(bytes, what) {}

  // False at the end.
  Result<bool> next(Field& field) {
    if (cursor_.left() == 0) return false;
    const std::uint64_t begin = cursor_.offset();
    STROP_TRY(const std::uint64_t key, varint());
    field = {.number = static_cast<std::uint32_t>(key >> 3),
             .wire = static_cast<std::uint32_t>(key & 7),
             .value = 0,
             .bytes = {},
             .encoded = {}};
    if (field.number == 0) return cursor_.corrupt("field", "has the number 0");
    STROP_CHECK(read_value(field));
    field.encoded = bytes_.substr(begin, cursor_.offset() - begin);
    return true;
  }

  Error corrupt(const std::string& rule) const { return cursor_.corrupt("message", rule); }

  bool at_end() const { return cursor_.left() == 0; }

  Result<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      STROP_TRY(const auto byte, cursor_.number<std::uint8_t>("varint"));
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    return cursor_.corrupt("varint", "is longer than ten bytes");
  }

 private:
  Result<void> read_value(Field& field) {
    switch (field.wire) {
      case 0: {
        STROP_TRY(field.value, varint());
        return {};
      }
      case 1: {
        STROP_TRY(field.bytes, cursor_.take(8, "field"));
        return {};
      }
      case 2: {
        STROP_TRY(const std::uint64_t length, varint());
        STROP_TRY(field.bytes, cursor_.take(length, "field"));
        return {};
      }
      case 5: {
        STROP_TRY(field.bytes, cursor_.take(4, "field"));
        return {};
      }
      default:
        return cursor_.corrupt("field", str("has the unknown wire type ", field.wire));
    }
  }
  std::string_view bytes_;
  Cursor cursor_;
};

inline void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}

inline void put_field(std::string& out, std::uint32_t field, std::uint64_t value) {
  put_varint(out, field << 3);
  put_varint(out, value);
}

inline void put_field(std::string& out, std::uint32_t field, std::string_view bytes) {
  put_varint(out, field << 3 | 2);
  put_varint(out, bytes.size());
  out += bytes;
}

}  // namespace strop::formats
