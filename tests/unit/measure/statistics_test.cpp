#include "measure/statistics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "measure/random.h"

using namespace strop;
using namespace strop::measure;

namespace {

double normal(Random& random) {
  const double radius = std::sqrt(-2 * std::log(1 - random.uniform()));
  return radius * std::cos(2 * std::numbers::pi * random.uniform());
}

std::vector<double> log_normal(std::size_t count, double spread, std::uint64_t seed) {
  Random random(seed);
  std::vector<double> out(count);
  for (double& value : out) value = std::exp(spread * normal(random));
  return out;
}

bool holds(const Interval& interval, double truth) {
  return interval.low <= truth && truth <= interval.high;
}

// The share of replays, in percent, whose interval holds the truth.
template <class Replay>
int coverage(double truth, const Replay& replay) {
  int held = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) held += holds(replay(seed * 7919), truth);
  return held / 2;
}

Clusters equal_clusters(std::uint32_t count, std::uint32_t size) {
  Clusters out;
  out.count = count;
  for (std::uint32_t i = 0; i < count * size; ++i) out.cluster_of.push_back(i / size);
  return out;
}

// Tokens of one cluster share a part of their value.
std::vector<double> clustered(const Clusters& clusters, std::uint64_t seed) {
  Random random(seed);
  std::vector<double> shared(clusters.count), out;
  for (double& value : shared) value = normal(random);
  for (std::uint32_t cluster : clusters.cluster_of)
    out.push_back(2 + shared[cluster] + normal(random));
  return out;
}

}  // namespace

TEST_CASE("random numbers are those of the published generators") {
  CHECK(mixed(0) == 0xe220a8397b1dcdafu);
  Random a(5), b(5), c(6);
  CHECK(a.next() == b.next());
  CHECK(a.next() != c.next());
  double sum = 0;
  for (int i = 0; i < 10000; ++i) sum += a.uniform();
  CHECK(sum / 10000 == doctest::Approx(0.5).epsilon(0.02));
}

TEST_CASE("medians, quantiles and variation of small cases computed by hand") {
  const std::vector<double> odd{3, 1, 2}, even{4, 1, 3, 2};
  CHECK(median(odd) == 2);
  CHECK(median(even) == 2.5);
  CHECK(quantile(even, 0) == 1);
  CHECK(quantile(even, 1) == 4);
  CHECK(quantile(even, 0.9) == doctest::Approx(3.7));
  CHECK(mean(even) == 2.5);
  CHECK(coefficient_of_variation(std::vector<double>{1, 3}) == doctest::Approx(std::sqrt(2.0) / 2));
}

TEST_CASE("percentiles need the number of samples of the binomial rule") {
  CHECK(samples_needed(0.90) == 64);
  CHECK(samples_needed(0.95) == 130);
  CHECK(samples_needed(0.99) == 662);
}

TEST_CASE("binomial sums of small cases") {
  CHECK(binomial_at_most(0, 2, 0.5) == doctest::Approx(0.25));
  CHECK(binomial_at_most(1, 2, 0.5) == doctest::Approx(0.75));
  CHECK(binomial_at_most(2, 2, 0.5) == 1);
}

TEST_CASE("the interval of a median takes the order statistics of the sign test") {
  // n = 10: 2 (1 + 10) / 1024 = 2.1 % lie outside ranks 2 to 9, 10.9 % outside 3 to 8.
  const std::vector<double> ten{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  CHECK(quantile_interval(ten, 0.5) == Interval{2, 9, 0.95});
  CHECK_FALSE(
      quantile_interval(std::vector<double>{1, 2, 3, 4, 5}, 0.5));  // 6.25 % even outside all
  CHECK(quantile_interval(std::vector<double>{1, 2, 3, 4, 5, 6}, 0.5));
  CHECK_FALSE(quantile_interval(ten, 0.99));
}

TEST_CASE("so few samples that none keep the confidence say which one they do keep") {
  // All five lie on one side of the median with probability 2 / 2^5.
  const std::vector<double> five{3, 1, 5, 2, 4};
  CHECK(bootstrap_median(five).interval == Interval{1, 5, 0.9375});
  CHECK(bootstrap_median(std::vector<double>{2}).interval == Interval{2, 2, 0});
  CHECK(bootstrap_median(std::vector<double>{1, 2, 3, 4, 5, 6}).interval == Interval{1, 6, 0.95});
}

TEST_CASE("a ratio of rounds that stopped at a narrow interval is less sure than a plain one") {
  const auto a = log_normal(16, 0.1, 13), b = log_normal(16, 0.1, 14);
  const Estimate plain = paired_ratio(a, b), stopped = stopped_ratio(a, b);
  CHECK(stopped.value == plain.value);
  CHECK(stopped.interval.low < plain.interval.low);
  CHECK(stopped.interval.high > plain.interval.high);
  CHECK(stopped.interval.confidence == 0.95);
}

TEST_CASE("intervals hold the truth as often as they say") {
  CHECK(coverage(1, [](auto seed) { return *quantile_interval(log_normal(25, 0.5, seed), 0.5); }) >=
        93);
  CHECK(coverage(std::exp(0.5 * 1.2815516), [](auto seed) {
          return *quantile_interval(log_normal(200, 0.5, seed), 0.9);
        }) >= 93);
  for (std::size_t n : {8u, 12u, 30u})
    CHECK(coverage(1, [n](auto seed) {
            return bootstrap_median(log_normal(n, 0.5, seed)).interval;
          }) >= 93);
  CHECK(coverage(1.5, [](auto seed) {
          const auto slow = log_normal(16, 0.03, seed);
          auto fast = log_normal(16, 0.03, seed + 1);
          for (double& value : fast) value /= 1.5;
          return paired_ratio(slow, fast).interval;
        }) >= 93);
}

TEST_CASE("cluster intervals hold the truth where tokens are dependent") {
  const Clusters clusters = equal_clusters(30, 40);
  const Resampling quick{.resamples = 600};
  CHECK(coverage(2, [&](auto seed) {
          return cluster_mean(clustered(clusters, seed), clusters, quick).interval;
        }) >= 93);
  CHECK(coverage(std::exp(2.0), [&](auto seed) {
          return cluster_exp_mean(clustered(clusters, seed), clusters, quick).interval;
        }) >= 93);
  CHECK(coverage(2, [&](auto seed) {
          return cluster_quantile(clustered(clusters, seed), 0.5, clusters, quick).interval;
        }) >= 93);
}

TEST_CASE("intervals that ignore the dependence would be wrong, so clusters matter") {
  const Clusters clusters = equal_clusters(30, 40);
  const Clusters single = equal_clusters(1200, 1);
  const auto values = clustered(clusters, 3);
  CHECK(relative_half_width(cluster_mean(values, single)) * 3 <
        relative_half_width(cluster_mean(values, clusters)));
}

TEST_CASE("a unit changes an estimate by its factor only") {
  const auto values = log_normal(20, 0.3, 9);
  auto scaled = values;
  for (double& value : scaled) value *= 1024;
  const Estimate plain = bootstrap_median(values), other = bootstrap_median(scaled);
  CHECK(other.value == 1024 * plain.value);
  CHECK(other.interval.low == 1024 * plain.interval.low);
  CHECK(other.interval.high == 1024 * plain.interval.high);
}

TEST_CASE("the order of samples changes a value never and an interval hardly") {
  auto values = log_normal(40, 0.3, 10);
  const Estimate forward = bootstrap_median(values);
  const auto ordered = quantile_interval(values, 0.5);
  std::reverse(values.begin(), values.end());
  const Estimate backward = bootstrap_median(values);
  CHECK(forward.value == backward.value);
  CHECK(quantile_interval(values, 0.5) == ordered);
  CHECK(backward.interval.low == doctest::Approx(forward.interval.low).epsilon(0.05));
}

TEST_CASE("exchanging the contestants gives the reciprocal ratio") {
  const auto a = log_normal(15, 0.1, 11), b = log_normal(15, 0.1, 12);
  const Estimate forward = paired_ratio(a, b), backward = paired_ratio(b, a);
  CHECK(forward.value * backward.value == doctest::Approx(1));
  CHECK(forward.interval.low * backward.interval.high == doctest::Approx(1).epsilon(0.01));
}

TEST_CASE("a quantile of clusters drawn once each is that of the samples") {
  const Clusters clusters = equal_clusters(5, 2);
  const std::vector<double> values{10, 9, 8, 7, 6, 5, 4, 3, 2, 1};
  CHECK(cluster_quantile(values, 0.5, clusters).value == 5);
  CHECK(cluster_quantile(values, 0.99, clusters).value == 10);
  CHECK(cluster_mean(values, clusters).value == 5.5);
}

TEST_CASE("the same seed gives the same interval") {
  const auto values = log_normal(40, 0.3, 10);
  CHECK(bootstrap_median(values).interval == bootstrap_median(values).interval);
}

TEST_CASE("a bootstrap of any figure draws whole samples") {
  std::vector<double> values(200);
  Random random(7);
  for (double& value : values) value = random.uniform();
  const auto mean_of = [&](std::span<const std::size_t> indices) {
    double sum = 0;
    for (const std::size_t i : indices) sum += values[i];
    return sum / static_cast<double>(indices.size());
  };
  const Estimate estimate = bootstrap(values.size(), mean_of);
  CHECK(estimate.value == doctest::Approx(mean(values)));
  // The standard error of 200 uniform numbers is 0.0204: the interval is about four of them wide.
  CHECK(estimate.interval.high - estimate.interval.low == doctest::Approx(0.08).epsilon(0.15));
  CHECK(bootstrap(values.size(), mean_of).interval == estimate.interval);
  const Estimate one = bootstrap(1, [](std::span<const std::size_t>) { return 3.0; });
  CHECK(one.interval.low == 3);
}
