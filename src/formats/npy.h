// NumPy's array files: the header before the data. Objects, which are pickles, are refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strop/backend.h"
#include "strop/result.h"

namespace strop::formats {

struct NpyHeader {
  std::string descr;  // "<f4"
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
  std::uint64_t data_offset = 0;
  bool operator==(const NpyHeader&) const = default;
};

// The longest header that is read, its first bytes included.
constexpr std::size_t kMaxNpyHeader = std::size_t{64} * 1024;

// Of versions 1 to 3. `bytes` may go on with the data; `what` names the array in errors.
Result<NpyHeader> read_npy_header(std::string_view bytes, const std::string& what);

// Version 1.0, little-endian, in C order.
std::string npy_header(ElementType type, const std::vector<std::int64_t>& shape);

// The type that a descr stands for; empty for those that no tensor of ours has. bf16 has no descr.
std::optional<ElementType> npy_type(std::string_view descr);
std::string_view npy_descr(ElementType type);
// A descr in our words where it has one, for messages: "f64" of "<f8".
std::string npy_word(std::string_view descr);
std::uint64_t element_bytes(ElementType type);
// Bytes of a dense array of that shape; empty when it passes 2^62 or a dimension is negative.
std::optional<std::uint64_t> array_bytes(ElementType type, const std::vector<std::int64_t>& shape);

}  // namespace strop::formats
