// Laws of the block quantiser, on values drawn with a fixed seed.
#include "block_quantize.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

namespace {

using namespace strop::convert;

constexpr std::array kFormats{BlockFormat{4, 32, true}, BlockFormat{4, 32, false},
                              BlockFormat{8, 32, true}, BlockFormat{8, 32, false},
                              BlockFormat{4, 16, true}, BlockFormat{4, 256, false},
                              BlockFormat{8, 128, true}};

std::vector<float> drawn(std::size_t count, unsigned seed, float shift = 0) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator) * 0.05f + shift;
  return values;
}

double error_of(std::span<const float> block, std::span<const std::uint8_t> codes,
                QuantizedBlock made) {
  double error = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const double off =
        double{block[i]} - (static_cast<double>(codes[i]) - made.zero_point) * double{made.scale};
    error += off * off;
  }
  return error;
}

struct Errors {
  double best = 0, plain = 0;
};

Errors errors_of(std::span<const float> block, const BlockFormat& format) {
  std::vector<std::uint8_t> codes(block.size());
  const QuantizedBlock best = best_block(block, format, codes);
  const double best_error = error_of(block, codes, best);
  CHECK(*std::max_element(codes.begin(), codes.end()) < format.codes());
  const QuantizedBlock plain = round_to_nearest(block, format, codes);
  return {best_error, error_of(block, codes, plain)};
}

}  // namespace

TEST_CASE("no block is worse than rounded to nearest") {
  for (const BlockFormat& format : kFormats) {
    CAPTURE(format.bits);
    CAPTURE(format.block);
    CAPTURE(format.symmetric);
    Errors sum;
    for (const float shift : {0.0f, 0.02f, 0.2f, -0.3f}) {
      const std::vector<float> values = drawn(format.block * 500, 7, shift);
      for (std::size_t i = 0; i < values.size(); i += format.block) {
        const Errors errors = errors_of(std::span(values).subspan(i, format.block), format);
        CHECK(errors.best <= errors.plain);
        sum.best += errors.best;
        sum.plain += errors.plain;
      }
    }
    // Worth its time.
    CHECK(sum.best < (format.bits == 4 ? 0.93 : 0.999) * sum.plain);
  }
}

TEST_CASE("values on a block's grid stay as they are") {
  for (const BlockFormat& format : kFormats) {
    std::vector<float> block(format.block);
    // Both ends of the grid are there, so that rounding to nearest finds it.
    for (std::size_t i = 0; i < block.size(); ++i)
      block[i] = 0.25f *
                 (static_cast<float>(i * 7 % format.codes()) - static_cast<float>(format.middle()));
    block[0] = -0.25f * static_cast<float>(format.middle());
    block[1] = 0.25f * static_cast<float>(format.middle() - 1);
    const Errors errors = errors_of(block, format);
    CHECK(errors.plain == 0);
    CHECK(errors.best == 0);
  }
}

TEST_CASE("a grid of 4 bits is kept though not both of its ends are there") {
  BlockFormat format{4, 32, false};
  std::mt19937 generator(5);
  double sought = 0, plain = 0;
  for (int round = 0; round < 200; ++round) {
    const std::uint32_t zero = generator() % 16;
    std::vector<float> block(format.block);
    for (float& value : block)  // codes 2 to 13
      value = 0.0173f * (static_cast<float>(2 + generator() % 12) - static_cast<float>(zero));
    format.seek_grid = false;
    plain += errors_of(block, format).best;
    format.seek_grid = true;
    sought += errors_of(block, format).best;
  }
  CHECK(sought < 1e-6 * plain);
}

TEST_CASE("blocks of nothing, of one value, and of values too small for a scale") {
  for (const BlockFormat& format : kFormats) {
    for (const float value : {0.0f, 1e-40f, -1e-45f, 3.0f, -3.0f, 1e30f}) {
      std::vector<float> block(format.block, 0.0f);
      block[3] = value;
      std::vector<std::uint8_t> codes(format.block);
      const QuantizedBlock made = best_block(block, format, codes);
      CHECK(std::isfinite(made.scale));
      CHECK(made.zero_point < format.codes());
      CHECK(error_of(block, codes, made) <= 1e-12 * double{value} * value + 1e-79);
    }
  }
}

TEST_CASE("rows are packed as the operators read them, whatever the threads") {
  const BlockFormat format{4, 16, false};
  const std::uint64_t width = 48;  // three blocks: one and a half byte of zero points
  const std::vector<float> values = drawn(width * 5, 3, 0.01f);
  const QuantizedRows made = quantize_rows(values, width, format, 1);
  REQUIRE(made.codes.size() == 5 * width / 2);
  REQUIRE(made.scales.size() == 5 * 3);
  REQUIRE(made.zero_points.size() == 5 * 2);
  const auto nibble = [](const std::string& bytes, std::size_t at) {
    return static_cast<unsigned char>(bytes[at / 2]) >> (at % 2 * 4) & 15;
  };
  for (std::size_t row = 0; row < 5; ++row) {
    for (std::size_t block = 0; block < 3; ++block) {
      std::array<std::uint8_t, 16> codes;
      const QuantizedBlock expected =
          best_block(std::span(values).subspan(row * width + block * 16, 16), format, codes);
      CHECK(made.scales[row * 3 + block] == expected.scale);
      CHECK(nibble(made.zero_points, row * 4 + block) == static_cast<int>(expected.zero_point));
      for (std::size_t i = 0; i < 16; ++i)
        CHECK(nibble(made.codes, row * width + block * 16 + i) == codes[i]);
    }
  }
  for (const unsigned threads : {2u, 3u, 8u}) {
    const QuantizedRows other = quantize_rows(values, width, format, threads);
    CHECK(other.codes == made.codes);
    CHECK(other.scales == made.scales);
    CHECK(other.zero_points == made.zero_points);
  }
}
