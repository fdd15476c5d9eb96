// What must hold for any numbers.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "measure/likeness.h"
#include "unit/measure/logits.h"

using namespace strop;
using namespace strop::measure;

namespace {

std::vector<double> vector(Random& random, std::size_t size) {
  std::vector<double> out(size);
  for (double& value : out) value = sample::normal(random);
  return out;
}

std::vector<double> scaled(std::vector<double> values, double factor) {
  for (double& value : values) value *= factor;
  return values;
}

std::vector<Box> boxes(Random& random) {
  std::vector<Box> out(random.below(6));
  for (Box& box : out) {
    box.x1 = random.uniform() * 4, box.y1 = random.uniform() * 4;
    box.x2 = box.x1 + random.uniform() * 3, box.y2 = box.y1 + random.uniform() * 3;
    box.label = static_cast<std::int64_t>(random.below(2));
  }
  return out;
}

}  // namespace

TEST_CASE("cosine: symmetric, in its range, blind to scale; noise is not") {
  Random random(11);
  for (int i = 0; i < 200; ++i) {
    const auto a = vector(random, 1 + random.below(20));
    const auto b = vector(random, a.size());
    CHECK(cosine(a, b) == doctest::Approx(cosine(b, a)));
    CHECK(std::abs(cosine(a, b)) <= 1);
    CHECK(cosine(a, a) == doctest::Approx(1));
    CHECK(cosine(scaled(a, 3), b) == doctest::Approx(cosine(a, b)));
    CHECK(noise_ratio(a, a) == 0);
    CHECK(noise_ratio(a, scaled(a, 3)) == doctest::Approx(4));
    CHECK(noise_ratio(scaled(a, 5), scaled(b, 5)) == doctest::Approx(noise_ratio(a, b)));
  }
}

TEST_CASE("more noise never gives more decibels") {
  Random random(12);
  for (int i = 0; i < 200; ++i) {
    const double less = random.uniform(), more = less + random.uniform();
    CHECK(decibels(less) >= decibels(more));
  }
}

TEST_CASE("rank correlation: symmetric, in its range, blind to what keeps the order") {
  Random random(13);
  for (int i = 0; i < 200; ++i) {
    const auto a = vector(random, 2 + random.below(20));
    const auto b = vector(random, a.size());
    const double found = rank_correlation(a, b);
    CHECK(std::abs(found) <= 1);
    CHECK(found == doctest::Approx(rank_correlation(b, a)));
    auto bent = a;
    for (double& value : bent) value = std::exp(value);
    CHECK(rank_correlation(bent, b) == doctest::Approx(found));
    CHECK(rank_correlation(a, bent) == doctest::Approx(1));
  }
}

TEST_CASE("overlap: symmetric, in its range, whatever the order of the boxes") {
  Random random(14);
  for (int i = 0; i < 200; ++i) {
    const auto a = boxes(random), b = boxes(random);
    const double found = mean_overlap(a, b);
    CHECK(found >= 0);
    CHECK(found <= 1 + 1e-12);
    CHECK(mean_overlap(b, a) == doctest::Approx(found));
    CHECK(mean_overlap(a, a) == doctest::Approx(1));
    auto turned = a;
    std::reverse(turned.begin(), turned.end());
    CHECK(mean_overlap(turned, b) == doctest::Approx(found));
  }
}
