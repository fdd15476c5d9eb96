// What is remembered of an activation while samples stream by: a histogram of fixed size whose
// range doubles when a value lies outside, so that memory does not depend on the number of samples.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace strop::onnxruntime {

struct Range {
  float least = 0, most = 0;
  bool operator==(const Range&) const = default;
};

class Histogram {
 public:
  // Values that are not finite are left out.
  void add(std::span<const float> values);

  // How many values it has seen.
  std::uint64_t count() const { return count_; }

  // The range that holds `percentile` percent of the values, as many cut off below as above, with
  // the resolution of a bin; 100: from the least to the greatest. Both 0 when it has seen nothing.
  Range range(double percentile) const;

  // Bins of the range that is covered, at least half of which lies inside the values' own.
  static constexpr std::size_t kBins = 4096;

 private:
  void cover(float magnitude);
  std::array<std::uint64_t, kBins> bins_{};  // of [-limit, limit)
  double limit_ = 0;                         // a power of two, once there was a value but 0
  std::uint64_t count_ = 0;
  std::uint64_t zeros_ = 0;  // seen before there was a limit
  Range range_;
};

}  // namespace strop::onnxruntime
