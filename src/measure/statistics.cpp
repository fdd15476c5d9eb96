#include "measure/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "measure/random.h"
#include "strop/result.h"

namespace strop::measure {
namespace {

constexpr double kStoppingShare = 0.3;  // of what an interval may leave out

std::vector<double> sorted(std::span<const double> values) {
  STROP_ASSERT(!values.empty(), "statistics of no values");
  std::vector<double> out(values.begin(), values.end());
  std::sort(out.begin(), out.end());
  return out;
}

double quantile_of_sorted(std::span<const double> values, double p) {
  const double place = p * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return std::lerp(values[below], values[above], place - static_cast<double>(below));
}

double median_in_place(std::span<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*std::max_element(values.begin(), middle) + *middle) / 2;
}

double normal_below(double z) { return std::erfc(-z / std::sqrt(2.0)) / 2; }

// The z with P(N(0, 1) < z) = p, by bisection: called a few times per estimate.
double normal_quantile(double p) {
  double low = -40, high = 40;
  for (int i = 0; i < 80; ++i) {
    const double middle = (low + high) / 2;
    (normal_below(middle) < p ? low : high) = middle;
  }
  return low;
}

// Student's t from z by the expansion of Cornish and Fisher (Abramowitz and Stegun 26.7.5).
double student_quantile(double p, double freedom) {
  const double z = normal_quantile(p);
  const double z3 = z * z * z, z5 = z3 * z * z;
  return z + (z3 + z) / (4 * freedom) + (5 * z5 + 16 * z3 + 3 * z) / (96 * freedom * freedom);
}

// Which share of the resamples each end of the interval leaves out, for n independent samples.
double expanded_tail(double confidence, std::size_t n) {
  const double tail = (1 - confidence) / 2;
  if (n < 2) return 0;
  const double samples = static_cast<double>(n);
  const double t = student_quantile(tail, samples - 1);
  return normal_below(t * std::sqrt(samples / (samples - 1)));
}

Estimate mapped(const Estimate& estimate, double (*map)(double)) {
  return {map(estimate.value),
          {map(estimate.interval.low), map(estimate.interval.high), estimate.interval.confidence}};
}

// Probability of exactly so many successes; 0 < probability < 1.
double binomial(std::uint64_t successes, std::uint64_t trials, double probability) {
  const double x = static_cast<double>(successes), n = static_cast<double>(trials);
  return std::exp(std::lgamma(n + 1) - std::lgamma(x + 1) - std::lgamma(n - x + 1) +
                  x * std::log(probability) + (n - x) * std::log1p(-probability));
}

// All of n samples lie on one side of their distribution's median with probability 2 / 2^n.
Interval range_of(std::span<const double> values) {
  const auto [least, largest] = std::minmax_element(values.begin(), values.end());
  return {*least, *largest, 1 - std::ldexp(2.0, -static_cast<int>(values.size()))};
}

// How often each cluster is drawn in one resample.
void draw_clusters(Random& random, std::vector<std::uint32_t>& times) {
  std::fill(times.begin(), times.end(), 0u);
  for (std::size_t i = 0; i < times.size(); ++i) ++times[random.below(times.size())];
}

}  // namespace

double relative_half_width(const Estimate& estimate) {
  return (estimate.interval.high - estimate.interval.low) / 2 / std::abs(estimate.value);
}

double mean(std::span<const double> values) {
  STROP_ASSERT(!values.empty(), "mean of no values");
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double median(std::span<const double> values) { return quantile(values, 0.5); }

double quantile(std::span<const double> values, double p) {
  return quantile_of_sorted(sorted(values), p);
}

double coefficient_of_variation(std::span<const double> values) {
  STROP_ASSERT(values.size() >= 2, "variation of fewer than two values");
  const double centre = mean(values);
  double squares = 0;
  for (double value : values) squares += (value - centre) * (value - centre);
  return std::sqrt(squares / static_cast<double>(values.size() - 1)) / centre;
}

double binomial_at_most(std::uint64_t successes, std::uint64_t trials, double probability) {
  if (successes >= trials || probability <= 0) return 1;
  if (probability >= 1) return 0;
  double total = 0;
  for (std::uint64_t k = 0; k <= successes; ++k) total += binomial(k, trials, probability);
  return std::min(total, 1.0);
}

std::optional<Interval> quantile_interval(std::span<const double> values, double p,
                                          double confidence) {
  const std::vector<double> ordered = sorted(values);
  const std::size_t n = ordered.size();
  const double tail = (1 - confidence) / 2;
  // The quantile lies below the order statistic of rank r (from 1) when at most r - 1 samples are
  // below it.
  std::size_t low = 0, high = n + 1;
  double at_most = 0;  // so many samples or fewer
  for (std::size_t count = 0; count < n && high > n; ++count) {
    at_most += binomial(count, n, p);
    if (at_most <= tail) low = count + 1;
    if (at_most >= 1 - tail) high = count + 1;
  }
  if (low == 0 || high > n) return {};
  return Interval{ordered[low - 1], ordered[high - 1], confidence};
}

std::uint64_t samples_needed(double p, double confidence, std::uint64_t over) {
  STROP_ASSERT(p > 0 && p < 1 && confidence < 1, "quantile ", p, ", confidence ", confidence);
  std::uint64_t n = over + 1;
  while (binomial_at_most(over, n, 1 - p) > 1 - confidence) ++n;
  return n;
}

Interval percentile_interval(std::vector<double> resampled, std::size_t n, double confidence) {
  std::sort(resampled.begin(), resampled.end());
  const double tail = expanded_tail(confidence, n);
  return {quantile_of_sorted(resampled, tail), quantile_of_sorted(resampled, 1 - tail), confidence};
}

Estimate bootstrap_median(std::span<const double> values, const Resampling& resampling) {
  Random random(resampling.seed);
  std::vector<double> drawn(values.size());
  std::vector<double> medians(resampling.resamples);
  for (double& one : medians) {
    for (double& value : drawn) value = values[random.below(values.size())];
    one = median_in_place(drawn);
  }
  const Interval drawn_interval =
      percentile_interval(std::move(medians), values.size(), resampling.confidence);
  const Interval exact =
      quantile_interval(values, 0.5, resampling.confidence).value_or(range_of(values));
  return {median(values),
          {std::min(drawn_interval.low, exact.low), std::max(drawn_interval.high, exact.high),
           exact.confidence}};
}

Estimate paired_ratio(std::span<const double> numerator, std::span<const double> denominator,
                      const Resampling& resampling) {
  STROP_ASSERT(numerator.size() == denominator.size(), "pairs of ", numerator.size(), " and ",
               denominator.size(), " values");
  std::vector<double> logs(numerator.size());
  std::transform(numerator.begin(), numerator.end(), denominator.begin(), logs.begin(),
                 [](double a, double b) { return std::log(a / b); });
  return mapped(
      bootstrap_median(logs, resampling), +[](double x) { return std::exp(x); });
}

Estimate stopped_ratio(std::span<const double> numerator, std::span<const double> denominator,
                       const Resampling& resampling) {
  Resampling inner = resampling;
  inner.confidence = 1 - kStoppingShare * (1 - resampling.confidence);
  Estimate ratio = paired_ratio(numerator, denominator, inner);
  ratio.interval.confidence = std::min(ratio.interval.confidence, resampling.confidence);
  return ratio;
}

Estimate bootstrap(std::size_t count,
                   const std::function<double(std::span<const std::size_t>)>& figure,
                   const Resampling& resampling) {
  STROP_ASSERT(count > 0, "a figure of no samples");
  std::vector<std::size_t> drawn(count);
  std::iota(drawn.begin(), drawn.end(), std::size_t{0});
  const double value = figure(drawn);
  Random random(resampling.seed);
  std::vector<double> figures(resampling.resamples);
  for (double& one : figures) {
    for (std::size_t& index : drawn) index = random.below(count);
    one = figure(drawn);
  }
  return {value, percentile_interval(std::move(figures), count, resampling.confidence)};
}

Estimate cluster_mean(std::span<const double> values, const Clusters& clusters,
                      const Resampling& resampling) {
  STROP_ASSERT(values.size() == clusters.cluster_of.size(), "a cluster for each value");
  std::vector<double> sums(clusters.count), counts(clusters.count);
  for (std::size_t i = 0; i < values.size(); ++i) {
    sums[clusters.cluster_of[i]] += values[i];
    ++counts[clusters.cluster_of[i]];
  }
  Random random(resampling.seed);
  std::vector<double> means(resampling.resamples);
  for (double& one : means) {
    double sum = 0, count = 0;
    for (std::uint32_t i = 0; i < clusters.count; ++i) {
      const auto drawn = random.below(clusters.count);
      sum += sums[drawn];
      count += counts[drawn];
    }
    one = sum / count;
  }
  return {mean(values),
          percentile_interval(std::move(means), clusters.count, resampling.confidence)};
}

Estimate cluster_exp_mean(std::span<const double> values, const Clusters& clusters,
                          const Resampling& resampling) {
  return mapped(
      cluster_mean(values, clusters, resampling), +[](double x) { return std::exp(x); });
}

Estimate cluster_quantile(std::span<const double> values, double p, const Clusters& clusters,
                          const Resampling& resampling) {
  STROP_ASSERT(values.size() == clusters.cluster_of.size() && !values.empty(),
               "a cluster for each value");
  std::vector<std::uint32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return values[a] < values[b]; });
  std::vector<std::uint32_t> sizes(clusters.count);
  for (std::uint32_t cluster : clusters.cluster_of) ++sizes[cluster];

  const auto weighted_quantile = [&](const std::vector<std::uint32_t>& times) {
    double total = 0;
    for (std::uint32_t i = 0; i < clusters.count; ++i) total += double{1} * times[i] * sizes[i];
    double reached = 0;
    for (std::uint32_t index : order)
      if ((reached += times[clusters.cluster_of[index]]) >= p * total && reached > 0)
        return values[index];
    return values[order.back()];
  };

  Random random(resampling.seed);
  std::vector<std::uint32_t> times(clusters.count, 1u);
  const double value = weighted_quantile(times);
  std::vector<double> quantiles(resampling.resamples);
  for (double& one : quantiles) {
    draw_clusters(random, times);
    one = weighted_quantile(times);
  }
  return {value, percentile_interval(std::move(quantiles), clusters.count, resampling.confidence)};
}

}  // namespace strop::measure
