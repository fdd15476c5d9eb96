#include "core/logits.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

namespace strop {
namespace {

// Lanes let the compiler use vectors.
constexpr std::size_t kLanes = 16;

std::size_t in_lanes(std::span<const float> row) { return row.size() - row.size() % kLanes; }

}  // namespace

// A finite value less itself is 0, any other is NaN, which no sum loses.
bool all_finite(std::span<const float> row) {
  std::array<float, kLanes> lanes{};
  const std::size_t whole = in_lanes(row);
  for (std::size_t i = 0; i < whole; i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += row[i + lane] - row[i + lane];
  float sum = std::accumulate(lanes.begin(), lanes.end(), 0.0f);
  for (const float value : row.subspan(whole)) sum += value - value;
  return sum == 0;
}

TokenId argmax(std::span<const float> row) {
  std::array<float, kLanes> lanes{};
  lanes.fill(std::numeric_limits<float>::lowest());
  const std::size_t whole = in_lanes(row);
  for (std::size_t i = 0; i < whole; i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      lanes[lane] = lanes[lane] < row[i + lane] ? row[i + lane] : lanes[lane];
  float largest = *std::max_element(lanes.begin(), lanes.end());
  for (const float value : row.subspan(whole)) largest = std::max(largest, value);
  return static_cast<TokenId>(std::find(row.begin(), row.end(), largest) - row.begin());
}

}  // namespace strop
