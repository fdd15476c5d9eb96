// Whether a model's weights were quantised before and widened again: they then lie on a grid, and a
// type with that grid loses nothing, which says nothing about any other model.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "formats/gguf.h"
#include "formats/safetensors.h"

namespace strop::formats {

// Evenly spaced values: least + k * step for whole k below `levels`. One level: they are all equal.
struct EvenGrid {
  double least = 0, step = 0;
  std::uint32_t levels = 1;
};

// The grid of at most 16 levels that the values are nearest to, the coarsest of equally near ones;
// nullopt where none is as near as rounding to 16 bits explains, or a value is not finite. 1 to 256
// values.
std::optional<EvenGrid> even_grid(std::span<const float> values);

// A matrix of weights as it lies in a file: rows of `columns` elements, little-endian.
struct WeightMatrix {
  std::string_view name;
  std::string_view type;  // our words: f32, bf16, f16; others are passed over
  std::uint64_t columns = 0;
  std::string_view data;
};

// Names of grids of 4 bits. q4_1: with any offset, as llama.cpp's type of that name. int4: zero is
// on the grid, as where the zero point is a whole number (ONNX, MLX, GPTQ).
inline constexpr const char* kOffsetGrid = "q4_1";
inline constexpr const char* kIntegerGrid = "int4";

// The grid on which the values of each group of 32 neighbours in a row lie, in every place that is
// looked at; else empty. Looks at a few thousand values, so a file
// of any size takes no time. Embeddings and heads, which are often kept wider, are passed over.
std::string grid_of(std::span<const WeightMatrix> matrices);
std::string grid_of(const SafetensorsModel& weights);
std::string grid_of(const GgufFile& file);

}  // namespace strop::formats
