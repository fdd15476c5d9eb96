#include "core/logits.h"

#include <algorithm>

#include "core/clones.h"

namespace strop {
namespace {

// Short enough that its leader is found at once when its highest value is known.
constexpr std::size_t kBlock = 256;

struct Extremes {
  float lowest;
  float highest;
  float poison;  // a finite value less itself is 0, any other is NaN, which no sum loses
};

STROP_CLONES Extremes extremes(const float* x, std::size_t count) {
  float lowest = x[0], highest = x[0], poison = 0;
#pragma omp simd reduction(min : lowest) reduction(max : highest) reduction(+ : poison)
  for (std::size_t i = 0; i < count; ++i) {
    lowest = x[i] < lowest ? x[i] : lowest;
    highest = x[i] > highest ? x[i] : highest;
    poison += x[i] - x[i];
  }
  return {lowest, highest, poison};
}

}  // namespace

RowExtremes extremes_of(std::span<const float> row) {
  STROP_ASSERT(!row.empty(), "a row of logits is empty");
  RowExtremes out{.lowest = row[0], .highest = row[0]};
  float poison = 0;
  std::size_t leading = 0;  // where the block begins that holds the first of the highest
  for (std::size_t begin = 0; begin < row.size(); begin += kBlock) {
    const Extremes block = extremes(row.data() + begin, std::min(kBlock, row.size() - begin));
    if (block.highest > out.highest) out.highest = block.highest, leading = begin;
    out.lowest = std::min(out.lowest, block.lowest);
    poison += block.poison;
  }
  out.finite = poison == 0;
  if (!out.finite) return out;
  const auto block = row.begin() + static_cast<std::ptrdiff_t>(leading);
  out.leader = static_cast<TokenId>(std::find(block, row.end(), out.highest) - row.begin());
  return out;
}

bool all_finite(std::span<const float> row) { return row.empty() || extremes_of(row).finite; }

}  // namespace strop
