// Whether a model's weights were quantised before and widened again: they then lie on a grid, and a
// type with that grid loses nothing, which says nothing about any other model.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace strop::formats {

// A matrix of weights as it lies in a file: rows of `columns` elements, little-endian.
struct WeightMatrix {
  std::string_view name;
  std::string_view type;  // our words: f32, bf16, f16; others are passed over
  std::uint64_t columns = 0;
  std::string_view data;
};

// q4_1 where the values of each group of 32 neighbours in a row are at most 16 evenly spaced ones,
// in every place that is looked at; else empty. Looks at a few thousand values, so a file of any
// size takes no time. Embeddings and heads, which are often kept wider, are passed over.
std::string grid_of(std::span<const WeightMatrix> matrices);

}  // namespace strop::formats
