// Our quantiser against MLX's own: same packed words, same scales, same biases, in every type.
#include <cstring>

#include "engine.h"
#include "folders.h"
#include "formats/affine.h"

namespace {

using namespace strop;
using namespace strop::mlx::test;
using strop::mlx::mx::array;
namespace mx = strop::mlx::mx;

constexpr int kRows = 24, kColumns = 256;

struct Packed {
  std::string words;
  std::vector<float> scales, biases;
};

Packed ours(const std::vector<float>& values, const formats::AffineGrid& grid) {
  Packed packed;
  const std::size_t groups = kColumns / grid.group;
  packed.scales.resize(kRows * groups);
  packed.biases.resize(kRows * groups);
  for (std::size_t row = 0; row < kRows; ++row)
    formats::quantise_row(std::span(values).subspan(row * kColumns, kColumns), grid, packed.words,
                          std::span(packed.scales).subspan(row * groups, groups),
                          std::span(packed.biases).subspan(row * groups, groups));
  return packed;
}

std::vector<float> floats_of(const array& values, mx::Dtype through) {
  auto wide = mx::contiguous(mx::astype(mx::astype(values, through), mx::float32));
  wide.eval();
  return {wide.data<float>(), wide.data<float>() + wide.size()};
}

std::string words_of(array words) {
  words = mx::contiguous(words);
  words.eval();
  return {reinterpret_cast<const char*>(words.data<std::uint32_t>()), words.nbytes()};
}

// Values with what quantisers stumble over: empty groups, equal values, one sign, outliers.
array awkward_values() {
  auto normal = mx::random::normal({kRows, kColumns}, mx::float32, mx::random::key(3));
  normal.eval();
  std::vector<float> values(normal.data<float>(), normal.data<float>() + normal.size());
  std::fill_n(values.begin(), kColumns, 0.0f);
  std::fill_n(values.begin() + kColumns, kColumns, -0.75f);
  for (int i = 0; i < kColumns; ++i) values[2 * kColumns + i] = std::abs(values[2 * kColumns + i]);
  for (int i = 0; i < kColumns; ++i)
    values[3 * kColumns + i] = -1 - std::abs(values[3 * kColumns + i]);
  values[4 * kColumns] = 1000;
  for (int i = 0; i < kColumns; ++i) values[5 * kColumns + i] *= 1e-8f;
  return array(values.data(), {kRows, kColumns}, mx::float32);
}

}  // namespace

TEST_CASE("packed words, scales and biases are those of mx.quantize") {
  const auto original = awkward_values();
  for (const auto type : {mx::float32, mx::bfloat16, mx::float16}) {
    const auto values = floats_of(original, type);
    for (const std::uint32_t bits : {2u, 3u, 4u, 5u, 6u, 8u}) {
      for (const std::uint32_t group : {32u, 64u, 128u}) {
        CAPTURE(strop::mlx::word_of(type));
        CAPTURE(bits);
        CAPTURE(group);
        const auto expected = mx::quantize(mx::astype(original, type), static_cast<int>(group),
                                           static_cast<int>(bits));
        const auto got = ours(values, {bits, group});
        CHECK(got.words == words_of(expected[0]));
        // Ours before they are rounded to the stored type.
        const auto rounded = [&](const std::vector<float>& x) {
          return floats_of(array(x.data(), {static_cast<int>(x.size())}, mx::float32), type);
        };
        CHECK(rounded(got.scales) == floats_of(expected[1], mx::float32));
        CHECK(rounded(got.biases) == floats_of(expected[2], mx::float32));
      }
    }
  }
}

TEST_CASE("dequantised values are those of mx.dequantize") {
  const auto original = awkward_values();
  for (const std::uint32_t bits : {2u, 3u, 4u, 5u, 6u, 8u}) {
    const formats::AffineGrid grid{bits, 64};
    const auto packed = mx::quantize(original, 64, static_cast<int>(bits));
    const auto expected = floats_of(
        mx::dequantize(packed[0], packed[1], packed[2], 64, static_cast<int>(bits)), mx::float32);
    const auto words = words_of(packed[0]);
    const auto scales = floats_of(packed[1], mx::float32),
               biases = floats_of(packed[2], mx::float32);
    std::vector<float> row(kColumns);
    for (std::size_t r = 0; r < kRows; ++r) {
      const std::size_t bytes = formats::packed_bytes(grid, kColumns), groups = kColumns / 64;
      formats::dequantise_row(std::string_view(words).substr(r * bytes, bytes), grid,
                              std::span(scales).subspan(r * groups, groups),
                              std::span(biases).subspan(r * groups, groups), row);
      CHECK(std::equal(row.begin(), row.end(), expected.begin() + static_cast<long>(r * kColumns)));
    }
  }
}
