#include "formats/affine.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace strop::formats {
namespace {

constexpr std::array<std::uint32_t, 6> kBits{2, 3, 4, 5, 6, 8};
constexpr std::array<std::uint32_t, 3> kGroups{32, 64, 128};
constexpr float kSmallestScale = 1e-7f;

struct Line {
  float scale = 0, bias = 0;
};

Line line_through(std::span<const float> group, float levels) {
  const auto [least, most] = std::minmax_element(group.begin(), group.end());
  const bool low_is_farther = std::abs(*least) > std::abs(*most);
  const float step = std::max((*most - *least) / levels, kSmallestScale);
  Line line{.scale = low_is_farther ? step : -step};
  const float edge = low_is_farther ? *least : *most;
  const float steps_to_zero = std::rint(edge / line.scale);
  if (steps_to_zero != 0) line = {.scale = edge / steps_to_zero, .bias = edge};
  return line;
}

// Takes values of a few bits, gives bytes.
class BitWriter {
 public:
  explicit BitWriter(std::string& out) : out_(out) {}
  void put(std::uint32_t value, std::uint32_t bits) {
    held_ |= value << count_;
    for (count_ += bits; count_ >= 8; count_ -= 8, held_ >>= 8)
      out_ += static_cast<char>(held_ & 0xffu);
  }

 private:
  std::string& out_;
  std::uint32_t held_ = 0, count_ = 0;
};

class BitReader {
 public:
  explicit BitReader(std::string_view bytes) : bytes_(bytes) {}
  std::uint32_t take(std::uint32_t bits) {
    for (; count_ < bits; count_ += 8)
      held_ |= std::uint32_t{static_cast<unsigned char>(bytes_[next_++])} << count_;
    const std::uint32_t value = held_ & ((1u << bits) - 1);
    held_ >>= bits;
    count_ -= bits;
    return value;
  }

 private:
  std::string_view bytes_;
  std::size_t next_ = 0;
  std::uint32_t held_ = 0, count_ = 0;
};

template <std::size_t N>
Result<void> check_one_of(const std::array<std::uint32_t, N>& known, const char* field,
                          std::uint32_t value) {
  if (std::find(known.begin(), known.end(), value) != known.end()) return {};
  std::string list;
  for (const std::uint32_t one : known) list += str(list.empty() ? "" : ", ", one);
  return Error{.code = ErrorCode::invalid_input,
               .message = str("[formats] ", field, " must be one of ", list, ", but is ", value),
               .field = field,
               .value = str(value)};
}

}  // namespace

Result<void> check_grid(const AffineGrid& grid) {
  STROP_CHECK(check_one_of(kBits, "bits", grid.bits));
  return check_one_of(kGroups, "group_size", grid.group);
}

std::uint64_t packed_bytes(const AffineGrid& grid, std::uint64_t columns) {
  return columns / 8 * grid.bits;
}

double bits_per_weight(const AffineGrid& grid, std::size_t scale_bytes) {
  return grid.bits + 2 * 8 * static_cast<double>(scale_bytes) / grid.group;
}

void quantise_row(std::span<const float> row, const AffineGrid& grid, std::string& packed,
                  std::span<float> scales, std::span<float> biases) {
  const auto levels = static_cast<float>((1u << grid.bits) - 1);
  BitWriter writer(packed);
  for (std::size_t g = 0; g < row.size() / grid.group; ++g) {
    const auto group = row.subspan(g * grid.group, grid.group);
    const Line line = line_through(group, levels);
    for (const float value : group) {
      const float q = std::rint((value - line.bias) / line.scale);
      writer.put(static_cast<std::uint32_t>(std::clamp(q, 0.0f, levels)), grid.bits);
    }
    scales[g] = line.scale;
    biases[g] = line.bias;
  }
}

void dequantise_row(std::string_view packed, const AffineGrid& grid, std::span<const float> scales,
                    std::span<const float> biases, std::span<float> row) {
  BitReader reader(packed);
  for (std::size_t i = 0; i < row.size(); ++i) {
    const std::size_t g = i / grid.group;
    row[i] = scales[g] * static_cast<float>(reader.take(grid.bits)) + biases[g];
  }
}

}  // namespace strop::formats
