// Whether one thing is better than another by a measured ratio. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "measure/statistics.h"
#include "strop/contrast.h"

namespace strop::measure {

enum class Better { lower, higher };

// Of fewer than these not even the least and the largest hold a median at 95 %: all n lie on one
// side of it with probability 2 / 2^n.
inline constexpr std::uint32_t kLeastPairs = 6;
// Nats of KL up to which two things count as the same: engines that hold the same weights are so
// near.
inline constexpr double kSameKl = 0.001;
// Share of the outputs' energy (40 dB) up to which two functions of tensors do.
inline constexpr double kSameNoise = 1e-4;

// What is known about one ratio second / first.
struct RatioEvidence {
  double ratio = 1;
  std::optional<Interval> interval;  // absent: the ratio is exact, such as one of sizes
  std::optional<Interval> control;   // of the same thing twice, in the same rounds
  bool timed = false;                // a time decides nothing without a control,
  std::uint32_t pairs = 0;           // with fewer than kLeastPairs,
  bool disturbed = false;            // or where others used the machine meanwhile
};

// Of an interval of ratios, on the logarithmic scale.
double log_half_width(const Interval& interval);

// no_difference: the whole interval lies within the margin. better, worse: all of it lies on one
// side of 1 and is not within the margin. Both need a control, where one is due, that contains 1
// and whose half-width is at most a third of what is claimed: of the margin, or of the ratio's
// distance to 1. Everything is decided on logarithms, so that swapping the two sides swaps the
// words.
Finding judge(const RatioEvidence& evidence, Better better, double margin);

// The sentence that goes with it. what: "request time".
std::string reason_for(Finding finding, const RatioEvidence& evidence, Better better, double margin,
                       const std::string& what);

// KL of one to the other says how far apart they are, not which is right: no_difference up to the
// floor, differs above it, undecided where the interval has both.
Finding judge_distance(double value, const std::optional<Interval>& interval, double floor);

// Ratio of the medians of samples that were not taken in pairs; each side is drawn by itself.
Estimate unpaired_ratio(std::span<const double> numerator, std::span<const double> denominator,
                        const Resampling& resampling = {});

// The worst finding speaks for all: worse, then undecided, then better, then no_difference.
// differs counts as no_difference.
Finding overall(std::span<const Difference> differences);

}  // namespace strop::measure
