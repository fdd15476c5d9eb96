#include "formats/npy.h"

#include <array>
#include <charconv>

#include "formats/checked.h"

namespace strop::formats {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxRank = 16;

struct Type {
  ElementType type;
  std::string_view descr;
  std::uint64_t bytes;
};
constexpr std::array kTypes{Type{ElementType::f32, "<f4", 4},    Type{ElementType::f16, "<f2", 2},
                            Type{ElementType::i64, "<i8", 8},    Type{ElementType::i32, "<i4", 4},
                            Type{ElementType::i8, "|i1", 1},     Type{ElementType::u8, "|u1", 1},
                            Type{ElementType::boolean, "|b1", 1}};

// The dictionary literal that NumPy writes: three keys in any order, nothing else.
class HeaderText {
 public:
  HeaderText(std::string_view text, const std::string& what) : text_(text), what_(what) {}

  Result<void> read(NpyHeader& header) {
    bool descr = false, order = false, shape = false;
    if (!take('{')) return refuse("must begin with {");
    while (!take('}')) {
      std::string key;
      if (!quoted(key) || !take(':')) return refuse("must hold keys in quotes");
      if (key == "descr" && !descr) {
        descr = true;
        if (!quoted(header.descr)) return refuse("must state a simple type, no fields");
      } else if (key == "fortran_order" && !order) {
        order = true;
        header.fortran_order = word("True");
        if (!header.fortran_order && !word("False"))
          return refuse("must state fortran_order as True or False");
      } else if (key == "shape" && !shape) {
        shape = true;
        STROP_CHECK(read_shape(header.shape));
      } else {
        return refuse("must have descr, fortran_order and shape once each");
      }
      if (!take(',') && !at('}')) return refuse("must separate its entries by commas");
    }
    skip_space();
    if (!descr || !order || !shape) return refuse("lacks descr, fortran_order or shape");
    if (!text_.empty()) return refuse("goes on after its end");
    return {};
  }

 private:
  Error refuse(const std::string& rule) const {
    return Error{.code = ErrorCode::corrupt,
                 .message = str("[formats] ", what_, ": the array's header ", rule),
                 .hint = "Save the array again with numpy.save or numpy.savez.",
                 .field = "header"};
  }
  void skip_space() {
    while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\n')) text_.remove_prefix(1);
  }
  bool at(char c) {
    skip_space();
    return !text_.empty() && text_[0] == c;
  }
  bool take(char c) {
    if (!at(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool word(std::string_view wanted) {
    skip_space();
    if (!text_.starts_with(wanted)) return false;
    text_.remove_prefix(wanted.size());
    return true;
  }
  bool quoted(std::string& out) {
    if (!at('\'') && !at('"')) return false;
    const char quote = text_[0];
    const std::size_t end = text_.find(quote, 1);
    if (end == std::string_view::npos || end > 64) return false;
    out = std::string(text_.substr(1, end - 1));
    text_.remove_prefix(end + 1);
    for (const char c : out) {
      if (c < 0x20 || c > 0x7e || c == '\\') return false;
    }
    return true;
  }
  Result<void> read_shape(std::vector<std::int64_t>& shape) {
    if (!take('(')) return refuse("must state the shape in brackets");
    while (!take(')')) {
      skip_space();
      std::int64_t dimension = -1;
      const auto [end, error] =
          std::from_chars(text_.data(), text_.data() + text_.size(), dimension);
      if (error != std::errc() || dimension < 0)
        return refuse("must state the shape as numbers from 0");
      if (shape.size() == kMaxRank)
        return refuse(str("must have at most ", kMaxRank, " dimensions"));
      text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
      shape.push_back(dimension);
      if (!take(',') && !at(')')) return refuse("must separate dimensions by commas");
    }
    return {};
  }

  std::string_view text_;
  const std::string& what_;
};

}  // namespace

Result<NpyHeader> read_npy_header(std::string_view bytes, const std::string& what) {
  Cursor cursor(bytes, what);
  STROP_TRY(const std::string_view magic, cursor.take(kMagic.size(), "magic"));
  if (magic != kMagic) return cursor.corrupt("magic", "must be that of a NumPy array");
  STROP_TRY(const auto major, cursor.number<std::uint8_t>("version"));
  STROP_TRY(const auto minor, cursor.number<std::uint8_t>("version"));
  if (major < 1 || major > 3 || minor != 0)
    return cursor.corrupt("version", str("must be 1.0 to 3.0, but is ", +major, ".", +minor));
  std::uint32_t length = 0;
  if (major == 1) {
    STROP_TRY(const auto small, cursor.number<std::uint16_t>("header length"));
    length = small;
  } else {
    STROP_TRY(length, cursor.number<std::uint32_t>("header length"));
  }
  if (length > kMaxNpyHeader - 12)
    return cursor.corrupt("header length", str("must be at most ", kMaxNpyHeader - 12));
  STROP_TRY(const std::string_view text, cursor.take(length, "header"));
  NpyHeader header{.data_offset = cursor.offset()};
  STROP_CHECK(HeaderText(text, what).read(header));
  if (header.descr.find('O') != std::string::npos)
    return Error{.code = ErrorCode::unsupported,
                 .message = str("[formats] ", what, ": an array of Python objects can carry code"),
                 .hint = "Save plain numbers: array.astype(numpy.float32).",
                 .field = "descr",
                 .value = header.descr};
  return header;
}

std::string npy_header(ElementType type, const std::vector<std::int64_t>& shape) {
  std::string dimensions;
  for (const std::int64_t dimension : shape) dimensions += str(dimension, ", ");
  if (shape.size() > 1) dimensions.resize(dimensions.size() - 2);
  if (shape.size() == 1) dimensions.pop_back();
  std::string text = str("{'descr': '", npy_descr(type), "', 'fortran_order': False, 'shape': (",
                         dimensions, "), }");
  constexpr std::size_t kBefore = 10, kAlignment = 64;
  text.resize((kBefore + text.size() + 1 + kAlignment - 1) / kAlignment * kAlignment - kBefore - 1,
              ' ');
  text += '\n';
  std::string header(kMagic);
  header += '\1';
  header += '\0';
  header += static_cast<char>(text.size() & 0xff);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

std::optional<ElementType> npy_type(std::string_view descr) {
  for (const Type& known : kTypes) {
    // One byte has no order, however it is written.
    const bool same = known.bytes == 1
                          ? descr.size() == 3 && descr.substr(1) == known.descr.substr(1)
                          : descr == known.descr;
    if (same) return known.type;
  }
  return std::nullopt;
}

std::string_view npy_descr(ElementType type) {
  for (const Type& known : kTypes) {
    if (known.type == type) return known.descr;
  }
  return "";
}

std::string npy_word(std::string_view descr) {
  if (descr == "<f8") return "f64";
  if (descr.size() == 3 && descr[0] == '>') return str("big-endian ", descr.substr(1));
  if (descr.size() == 3 && (descr[1] == 'i' || descr[1] == 'u') && descr[2] >= '1' &&
      descr[2] <= '8')
    return str(descr[1], (descr[2] - '0') * 8);
  if (descr == "<f4") return "f32";
  if (descr == "<f2") return "f16";
  if (descr == "|b1") return "boolean";
  return std::string(descr);
}

std::uint64_t element_bytes(ElementType type) {
  if (type == ElementType::bf16) return 2;
  for (const Type& known : kTypes) {
    if (known.type == type) return known.bytes;
  }
  return 1;
}

std::optional<std::uint64_t> array_bytes(ElementType type, const std::vector<std::int64_t>& shape) {
  Checked bytes = element_bytes(type);
  for (const std::int64_t dimension : shape) {
    if (dimension < 0) return std::nullopt;
    bytes = bytes * static_cast<std::uint64_t>(dimension);
  }
  return bytes.at_most(std::uint64_t{1} << 62) ? bytes.value() : std::nullopt;
}

}  // namespace strop::formats
