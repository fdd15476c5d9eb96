// How alike two sets of numbers are: what one sample's outputs of two engines are compared by.
// Pure, and defined for every finite input, so that a broken artifact gets a bad figure and no
// crash.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "strop/backend.h"
#include "strop/result.h"
#include "strop/samples.h"

namespace strop::measure {

// The numbers of a tensor of any type; booleans are 0 and 1. Fails with backend, naming the tensor,
// when one is not finite, with corrupt when the bytes are not those of the shape.
Result<std::vector<double>> numbers_of(const Tensor& tensor);

// The functions below that take two spans want them of equal length.

// In -1..1. Two vectors of zeros are alike (1), one of them is not like anything (0).
double cosine(std::span<const double> a, std::span<const double> b);

// Energy of the difference over the reference's energy. Zeros against zeros: 0; anything against a
// reference of zeros: 1, as much noise as there could be signal.
double noise_ratio(std::span<const double> reference, std::span<const double> candidate);

// 10 log10(1 / ratio), at most kMostDecibels: that of two results which differ by the rounding of
// their 32-bit numbers alone, beyond which nothing is told apart.
inline constexpr double kMostDecibels = 150;
double decibels(double noise_ratio);

// The index of the largest number of each row of `width`; the first of equal ones.
std::vector<std::size_t> best_of_rows(std::span<const double> numbers, std::size_t width);

// Share of positions with the same value.
double share_equal(std::span<const std::size_t> a, std::span<const std::size_t> b);

// Spearman: the correlation of the ranks, equal values sharing their mean rank. Two constant lists
// are alike (1), one constant list tells nothing of the other (0). At least two values.
double rank_correlation(std::span<const double> a, std::span<const double> b);

// 1 - the squared error over the reference's variance: 1 is as good as the reference, 0 as good as
// its mean, below 0 worse. A constant reference: 1 when it is met exactly, else 0.
double explained(std::span<const double> reference, std::span<const double> candidate);

// Area of what both cover over the area of what either covers; 0 for boxes without area.
double overlap(const Box& a, const Box& b);

// Boxes of one class are paired, each with at most one, the largest overlaps first: the sum of the
// overlaps over the number of boxes on the longer side. Nothing against nothing is 1.
double mean_overlap(std::span<const Box> a, std::span<const Box> b);

// The boxes of a detector that has done its own suppression, those with a score of at least 0.25,
// in one of three layouts (docs/metrics.md):
//   [N, 6] or [1, N, 6]     x1, y1, x2, y2, score, class
//   [1, 1, N, 7]            image, class, score, x1, y1, x2, y2; the first negative image ends the
//   list outputs named boxes [N, 4] or [1, N, 4], scores and labels with N values each
// `output` names the one that holds the boxes. Fails with unsupported for any other.
Result<std::vector<Box>> boxes_of(std::span<const Tensor> outputs, const std::string& output);

}  // namespace strop::measure
