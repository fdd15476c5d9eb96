// Statistics over plain samples. Nothing here assumes a distribution: intervals come from order
// statistics or from resampling, because times on a shared machine have long tails and several
// modes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "strop/measurement.h"

namespace strop::measure {

struct Resampling {
  std::uint32_t resamples = 2000;
  std::uint64_t seed = 1;
  double confidence = 0.95;
};

struct Estimate {
  double value = 0;
  Interval interval;
};

// Half the interval's width, relative to the value.
double relative_half_width(const Estimate& estimate);

// The functions below want at least one value and keep the order of their argument.

double mean(std::span<const double> values);
double median(std::span<const double> values);
// Linear between the order statistics around p (n - 1); p in [0, 1].
double quantile(std::span<const double> values, double p);
// Standard deviation (n - 1) over mean. At least two values.
double coefficient_of_variation(std::span<const double> values);

// Interval of a quantile from the binomial law of how many samples lie below it: the two order
// statistics nearest to it that keep the confidence, whatever the distribution. Empty when there
// are too few samples.
std::optional<Interval> quantile_interval(std::span<const double> values, double p,
                                          double confidence = 0.95);

// P(Binomial(trials, probability) <= successes).
double binomial_at_most(std::uint64_t successes, std::uint64_t trials, double probability);

// How many samples a bound on the p-quantile needs at this confidence when at most `over` of them
// lie above it: the smallest n with P(Binomial(n, 1 - p) <= over) <= 1 - confidence. 64, 130 and
// 662 for p90, p95 and p99 at 99 %.
std::uint64_t samples_needed(double p, double confidence = 0.99, std::uint64_t over = 1);

// The bootstrap intervals below are percentile intervals, expanded for few samples as Hesterberg
// (What Teachers Should Know About the Bootstrap, 2014) advises: the plain ones are too narrow by
// sqrt((n - 1) / n) and use z for t.

// Of a figure's values in the resamples of `drawn` things (samples, clusters, runs of neighbours).
Interval percentile_interval(std::vector<double> resampled, std::size_t drawn, double confidence);

// Never narrower than quantile_interval: the bootstrap of a median sees only a few distinct values,
// and rounds that stop when the interval is narrow (speed.h) stop at lucky ones more often. Where
// even the least and the largest do not keep the confidence, it is these two, with the confidence
// that they do keep.
Estimate bootstrap_median(std::span<const double> values, const Resampling& resampling = {});

// Median of numerator[i] / denominator[i] and its interval. Computed on logarithms, so that
// exchanging the two gives the reciprocals. All values are positive; the spans are of equal length.
Estimate paired_ratio(std::span<const double> numerator, std::span<const double> denominator,
                      const Resampling& resampling = {});

// The same of rounds that end once their interval is narrow (speed.h): they end at lucky ones more
// often, which costs up to two points of coverage (bench/run statistics). The interval leaves out
// 30 % of what it may, so that the rest covers the stopping.
Estimate stopped_ratio(std::span<const double> numerator, std::span<const double> denominator,
                       const Resampling& resampling = {});

// Any figure of samples that do not depend on each other: whole samples are drawn, and the figure
// is that of the drawn ones, given as indices below `count`. The value is the figure of all in
// order.
Estimate bootstrap(std::size_t count,
                   const std::function<double(std::span<const std::size_t>)>& figure,
                   const Resampling& resampling = {});

// Samples that depend on their neighbours, such as tokens of one text: whole clusters are drawn,
// never single samples. cluster_of has one id per value; ids are 0..count-1, each used.
struct Clusters {
  std::vector<std::uint32_t> cluster_of;
  std::uint32_t count = 0;
};

Estimate cluster_mean(std::span<const double> values, const Clusters& clusters,
                      const Resampling& resampling = {});
// exp of the mean: perplexity of negative log-likelihoods, ratio of perplexities of their
// differences.
Estimate cluster_exp_mean(std::span<const double> values, const Clusters& clusters,
                          const Resampling& resampling = {});
// The quantile without interpolation: the smallest value with at least a share p of the samples at
// or below it.
Estimate cluster_quantile(std::span<const double> values, double p, const Clusters& clusters,
                          const Resampling& resampling = {});

}  // namespace strop::measure
