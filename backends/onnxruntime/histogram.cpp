#include "histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace strop::onnxruntime {
namespace {

constexpr std::size_t kHalf = Histogram::kBins / 2;

// Least and greatest finite value; the first above the second when there is none.
Range extremes(std::span<const float> values) {
  constexpr float kMost = std::numeric_limits<float>::max();
  Range range{kMost, -kMost};
  for (const float value : values) {
    const bool finite = std::fabs(value) <= kMost;
    range.least = std::min(range.least, finite ? value : kMost);
    range.most = std::max(range.most, finite ? value : -kMost);
  }
  return range;
}

}  // namespace

// Both halves fold towards zero, two bins into one.
void Histogram::cover(float magnitude) {
  if (limit_ == 0) {
    if (magnitude == 0) return;
    limit_ = std::exp2(std::floor(std::log2(double{magnitude})) + 1);
    bins_[kHalf] += zeros_;
    zeros_ = 0;
  }
  for (; limit_ <= double{magnitude}; limit_ *= 2) {
    std::array<std::uint64_t, kBins> wider{};
    for (std::size_t i = 0; i < kHalf; ++i) {
      wider[kHalf + i / 2] += bins_[kHalf + i];
      wider[kHalf - 1 - i / 2] += bins_[kHalf - 1 - i];
    }
    bins_ = wider;
  }
}

void Histogram::add(std::span<const float> values) {
  const Range seen = extremes(values);
  if (seen.least > seen.most) return;
  range_ = count_ == 0
               ? seen
               : Range{std::min(range_.least, seen.least), std::max(range_.most, seen.most)};
  cover(std::max(std::fabs(seen.least), std::fabs(seen.most)));
  const float scale = limit_ == 0 ? 0 : static_cast<float>(kHalf / limit_);
  std::uint64_t finite = 0;
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    ++finite;
    if (limit_ == 0) continue;
    const auto bin =
        static_cast<std::int32_t>(std::floor(value * scale)) + static_cast<std::int32_t>(kHalf);
    ++bins_[static_cast<std::size_t>(std::clamp(bin, 0, static_cast<std::int32_t>(kBins) - 1))];
  }
  if (limit_ == 0) zeros_ += finite;
  count_ += finite;
}

Range Histogram::range(double percentile) const {
  if (count_ == 0) return {};
  if (percentile >= 100 || limit_ == 0) return range_;
  const double cut = (100 - percentile) / 200 * static_cast<double>(count_);
  const double bin = limit_ / kHalf;
  Range found = range_;
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < kBins; ++i) {
    below += bins_[i];
    if (static_cast<double>(below) <= cut) continue;
    found.least = static_cast<float>(static_cast<double>(i) * bin - limit_);
    break;
  }
  std::uint64_t above = 0;
  for (std::size_t i = kBins; i-- > 0;) {
    above += bins_[i];
    if (static_cast<double>(above) <= cut) continue;
    found.most = static_cast<float>(static_cast<double>(i + 1) * bin - limit_);
    break;
  }
  return {std::max(found.least, range_.least), std::min(found.most, range_.most)};
}

}  // namespace strop::onnxruntime
