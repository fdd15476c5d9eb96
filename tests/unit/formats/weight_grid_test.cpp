#include "formats/weight_grid.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

using namespace strop::formats;

namespace {

constexpr std::size_t kColumns = 128, kRows = 64;

std::vector<float> normal() {
  std::mt19937 generator(7);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  std::vector<float> values(kColumns * kRows);
  for (float& value : values) value = normal(generator);
  return values;
}

// Each group of `group` becomes the nearest of its levels: `levels` numbers from 0 to 1, stretched
// over the group's range.
std::vector<float> on_levels(std::vector<float> values, std::size_t group,
                             const std::vector<float>& levels) {
  for (std::size_t begin = 0; begin < values.size(); begin += group) {
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = first + static_cast<std::ptrdiff_t>(group);
    const float low = *std::min_element(first, last), high = *std::max_element(first, last);
    for (auto value = first; value != last; ++value) {
      const float place = (*value - low) / (high - low);
      const auto nearest = std::min_element(levels.begin(), levels.end(), [&](float a, float b) {
        return std::abs(a - place) < std::abs(b - place);
      });
      *value = low + (high - low) * *nearest;
    }
  }
  return values;
}

std::vector<float> even(std::size_t count) {
  std::vector<float> levels(count);
  for (std::size_t i = 0; i < count; ++i)
    levels[i] = static_cast<float>(i) / static_cast<float>(count - 1);
  return levels;
}

std::string as_f32(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

std::string as_bf16(const std::vector<float>& values) {
  std::string bytes;
  for (const float value : values) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(value) + 0x8000u;
    bytes += {static_cast<char>(bits >> 16), static_cast<char>(bits >> 24)};
  }
  return bytes;
}

std::string grid_of_one(const std::string& bytes, std::string_view type,
                        std::string_view name = "model.layers.0.mlp.up_proj.weight",
                        std::uint64_t columns = kColumns) {
  const std::vector<WeightMatrix> one{{name, type, columns, bytes}};
  return grid_of(one);
}

}  // namespace

TEST_CASE("weights that were trained and never quantised lie on no grid") {
  CHECK(grid_of_one(as_f32(normal()), "f32").empty());
  CHECK(grid_of_one(as_bf16(normal()), "bf16").empty());
}

TEST_CASE("4 bits widened again are found, whatever they were widened to and however grouped") {
  for (const std::size_t group : {32u, 64u, 128u}) {
    const auto values = on_levels(normal(), group, even(16));
    CHECK(grid_of_one(as_f32(values), "f32") == "q4_1");
    CHECK(grid_of_one(as_bf16(values), "bf16") == "q4_1");
  }
}

TEST_CASE("a grid with zero on it, as whole zero points make it, is another") {
  auto values = normal();
  for (std::size_t begin = 0; begin < values.size(); begin += 64) {
    for (std::size_t i = begin; i < begin + 64; ++i)
      values[i] = 0.0123f * std::round(std::clamp(values[i] / 0.0123f, -7.0f, 8.0f));
  }
  CHECK(grid_of_one(as_f32(values), "f32") == "int4");
  CHECK(grid_of_one(as_bf16(values), "bf16") == "int4");
}

TEST_CASE("8, 2 and 1 bits are no grid of 4 bits, nor is a constant") {
  for (const std::size_t levels : {256u, 4u, 2u})
    CHECK(grid_of_one(as_f32(on_levels(normal(), 32, even(levels))), "f32").empty());
  CHECK(grid_of_one(as_f32(std::vector<float>(kColumns * kRows, 0.5f)), "f32").empty());
}

TEST_CASE("16 levels that are not evenly spaced lose in a type whose levels are") {
  std::vector<float> uneven;  // the quantiles of a bell
  for (int i = 0; i < 16; ++i) uneven.push_back(0.5f + 0.5f * std::tanh(0.4f * (float(i) - 7.5f)));
  uneven.front() = 0;
  uneven.back() = 1;
  CHECK(grid_of_one(as_f32(on_levels(normal(), 32, uneven)), "f32").empty());
}

TEST_CASE(
    "one matrix off the grid takes the whole model off it; embeddings and heads do not count") {
  const std::string on = as_f32(on_levels(normal(), 32, even(16))), off = as_f32(normal());
  std::vector<WeightMatrix> matrices{{"model.embed_tokens.weight", "f32", kColumns, off},
                                     {"token_embd.weight", "f32", kColumns, off},
                                     {"lm_head.weight", "f32", kColumns, off},
                                     {"output.weight", "f32", kColumns, off},
                                     {"blk.0.attn_output.weight", "f32", kColumns, on}};
  CHECK(grid_of(matrices) == "q4_1");
  matrices.push_back({"blk.0.ffn_up.weight", "f32", kColumns, off});
  CHECK(grid_of(matrices).empty());
}

TEST_CASE("what cannot be looked at says nothing") {
  const std::string on = as_f32(on_levels(normal(), 32, even(16)));
  CHECK(grid_of(std::vector<WeightMatrix>()).empty());
  CHECK(grid_of_one({}, "f32").empty());
  CHECK(grid_of_one(on, "q8_0").empty());
  CHECK(grid_of_one(on, "f32", "w", 0).empty());
  CHECK(grid_of_one(on, "f32", "w", 31).empty());
  CHECK(grid_of_one(on.substr(0, 100), "f32").empty());
  CHECK(grid_of_one(as_f32(std::vector<float>(kColumns * kRows, NAN)), "f32").empty());
}

TEST_CASE("a grid is told by its least value, its step and its levels") {
  const std::vector<float> values{0.5f, -1.0f, 0.0f, 2.0f, 2.0f};
  const auto grid = even_grid(values);
  REQUIRE(grid);
  CHECK(grid->least == -1.0);
  CHECK(grid->step == doctest::Approx(0.5));
  CHECK(grid->levels == 7);
  CHECK(even_grid(std::vector<float>(5, 3.0f))->levels == 1);
  CHECK(even_grid(std::vector<float>{0.0f, 1.0f, 15.0f})->levels == 16);
  CHECK(even_grid(std::vector<float>{0.0f, 1.0f, 14.0f})->levels == 15);
  CHECK(even_grid(std::vector<float>{0.0f, 2.0f, 14.0f})->levels == 8);
  CHECK_FALSE(even_grid(std::vector<float>{0.0f, 1.0f, 1.3f, 1.52f}));
}
