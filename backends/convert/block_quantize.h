// Weights in blocks with a scale each: value = (code - zero point) * scale, code and zero point of
// 4 or 8 bits without sign. Nothing is known of the activations; each block is made as near to the
// original as the search finds, in squared error.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace strop::convert {

constexpr std::uint32_t kMinBlock = 16, kMaxBlock = 256;

struct BlockFormat {
  std::uint32_t bits = 4;    // 4 or 8
  std::uint32_t block = 32;  // values that share a scale: a power of two, kMinBlock .. kMaxBlock
  bool symmetric = true;     // the zero point is the middle, and not stored
  bool seek_grid = false;  // weights were in 4 bits before, zero among them: blocks keep that grid
  std::uint32_t codes() const { return 1u << bits; }
  std::uint32_t middle() const { return codes() / 2; }
};

// One block. Codes are whole numbers 0 .. codes()-1.
struct QuantizedBlock {
  float scale = 0;
  std::uint32_t zero_point = 0;
};

// Plain rounding to nearest. Symmetric: the value of largest magnitude becomes the outermost code.
// Else: the range with zero in it is spread over all codes. codes has the block's size.
QuantizedBlock round_to_nearest(std::span<const float> block, const BlockFormat& format,
                                std::span<std::uint8_t> codes);

// Tries scales (and zero points) around those of round_to_nearest, each with the scale that fits
// its codes best; its squared error is never above round_to_nearest's.
QuantizedBlock best_block(std::span<const float> block, const BlockFormat& format,
                          std::span<std::uint8_t> codes);

// Rows as ONNX Runtime's MatMulNBits and GatherBlockQuantized keep them.
struct QuantizedRows {
  std::string codes;          // of 4 bits: two in a byte, the first in the low half
  std::vector<float> scales;  // [rows, width / block]
  std::string zero_points;    // [rows, zero_point_bytes]; empty where symmetric
};

// Bytes of one row's zero points, packed as the codes are.
std::uint64_t zero_point_bytes(std::uint64_t width, const BlockFormat& format);

// `values` holds whole rows of `width`, a multiple of the block. The result does not depend on the
// number of threads.
QuantizedRows quantize_rows(std::span<const float> values, std::uint64_t width,
                            const BlockFormat& format, unsigned threads);

}  // namespace strop::convert
