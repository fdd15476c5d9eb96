#include "core/logits.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace strop {

bool all_finite(std::span<const float> row) {
  bool finite = true;
  for (const float value : row) finite &= std::abs(value) <= std::numeric_limits<float>::max();
  return finite;
}

// Lanes let the compiler use vectors.
TokenId argmax(std::span<const float> row) {
  constexpr std::size_t kLanes = 16;
  std::array<float, kLanes> lanes{};
  lanes.fill(std::numeric_limits<float>::lowest());
  const std::size_t whole = row.size() - row.size() % kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      lanes[lane] = lanes[lane] < row[i + lane] ? row[i + lane] : lanes[lane];
  float largest = *std::max_element(lanes.begin(), lanes.end());
  for (const float value : row.subspan(whole)) largest = std::max(largest, value);
  return static_cast<TokenId>(std::find(row.begin(), row.end(), largest) - row.begin());
}

}  // namespace strop
