// The laws of MLX's grid.
#include "formats/affine.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

using namespace strop;
using namespace strop::formats;

namespace {

struct Row {
  std::string packed;
  std::vector<float> scales, biases, back;
};

Row through(const std::vector<float>& values, const AffineGrid& grid) {
  Row row;
  row.scales.resize(values.size() / grid.group);
  row.biases.resize(row.scales.size());
  row.back.resize(values.size());
  quantise_row(values, grid, row.packed, row.scales, row.biases);
  dequantise_row(row.packed, grid, row.scales, row.biases, row.back);
  return row;
}

std::vector<float> random_values(std::size_t count) {
  std::mt19937 generator(11);
  std::normal_distribution<float> normal(0.1f, 1.0f);
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

}  // namespace

TEST_CASE("affine: no value is more than a step away, and only at the nearer end of the range") {
  const auto values = random_values(1024);
  for (const std::uint32_t bits : {2u, 3u, 4u, 5u, 6u, 8u}) {
    const AffineGrid grid{bits, 64};
    const Row row = through(values, grid);
    CHECK(row.packed.size() == packed_bytes(grid, values.size()));
    for (std::size_t i = 0; i < values.size(); ++i)
      CHECK(std::abs(row.back[i] - values[i]) <= 1.001f * std::abs(row.scales[i / 64]));
  }
}

TEST_CASE("affine: more bits are nearer") {
  const auto values = random_values(4096);
  double before = 1e9;
  for (const std::uint32_t bits : {2u, 3u, 4u, 5u, 6u, 8u}) {
    const Row row = through(values, {bits, 64});
    double error = 0;
    for (std::size_t i = 0; i < values.size(); ++i) error += std::abs(row.back[i] - values[i]);
    CHECK(error < 0.7 * before);
    before = error;
  }
}

TEST_CASE("affine: the farther end of a group is met exactly") {
  const auto values = random_values(128);
  const Row row = through(values, {4, 128});
  const auto farthest = [](const std::vector<float>& x) {
    return *std::max_element(x.begin(), x.end(),
                             [](float a, float b) { return std::abs(a) < std::abs(b); });
  };
  CHECK(row.biases[0] == farthest(values));
  CHECK(farthest(row.back) == farthest(values));
}

TEST_CASE("affine: zeros and equal values survive") {
  for (const float value : {0.0f, 0.5f, -3.0f}) {
    const Row row = through(std::vector<float>(64, value), {2, 64});
    for (const float back : row.back) CHECK(back == value);
  }
}

TEST_CASE("affine: packed values stand one after the other, lowest bits first") {
  std::vector<float> values(32, 0.0f);
  values[0] = -7, values[1] = -6, values[2] = -5;  // q 0, 1, 2 of a grid from -7 to 0
  const Row row = through(values, {3, 32});
  CHECK(row.scales[0] == 1.0f);
  CHECK(row.biases[0] == -7.0f);
  CHECK(static_cast<unsigned char>(row.packed[0]) == (0 | 1 << 3 | (2 << 6 & 0xff)));
  CHECK(static_cast<unsigned char>(row.packed[1]) == (2 >> 2 | 7 << 1 | 7 << 4 | (7 << 7 & 0xff)));
}

TEST_CASE("affine: grids that MLX does not have are refused by name") {
  CHECK(check_grid({4, 64}));
  for (const auto& [grid, field] : {std::pair<AffineGrid, const char*>{{7, 64}, "bits"},
                                    {{0, 64}, "bits"},
                                    {{4, 16}, "group_size"}}) {
    const auto checked = check_grid(grid);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().field == field);
  }
  CHECK(bits_per_weight({4, 64}, 2) == 4.5);
  CHECK(bits_per_weight({3, 32}, 4) == 5.0);
}
