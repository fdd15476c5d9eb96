// The affine integer grid that MLX stores matrices on: each group of neighbouring values of a row
// has a scale and a bias, value = scale * q + bias, and the q are packed as one little-endian
// stream of bits per row.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "strop/result.h"

namespace strop::formats {

struct AffineGrid {
  std::uint32_t bits = 4;    // 2, 3, 4, 5, 6 or 8
  std::uint32_t group = 64;  // 32, 64 or 128 values
  bool operator==(const AffineGrid&) const = default;
};

// invalid_input naming bits or group_size, unless MLX has that grid.
Result<void> check_grid(const AffineGrid& grid);

// Bytes of `columns` packed values; columns is a multiple of the group.
std::uint64_t packed_bytes(const AffineGrid& grid, std::uint64_t columns);

// Bits per weight with scale and bias of `scale_bytes` each.
double bits_per_weight(const AffineGrid& grid, std::size_t scale_bytes);

// Appends the packed q of a row of whole groups and gives each group's scale and bias. The q are
// those of MLX's own quantiser bit for bit: the end of the range that is farther from zero is
// met exactly, zero lies on the grid, and q = round((value - bias) / scale), ties to even.
void quantise_row(std::span<const float> row, const AffineGrid& grid, std::string& packed,
                  std::span<float> scales, std::span<float> biases);

// The values of a packed row; scales and biases one per group.
void dequantise_row(std::string_view packed, const AffineGrid& grid, std::span<const float> scales,
                    std::span<const float> biases, std::span<float> row);

}  // namespace strop::formats
