#include "measure/trend.h"

#include <doctest/doctest.h>

#include <cmath>

#include "measure/random.h"

using namespace strop::measure;

namespace {

std::vector<Reading> readings(double level, double per_second, double noise, int count,
                              std::uint64_t seed) {
  Random random(seed);
  std::vector<Reading> out;
  for (int i = 0; i < count; ++i)
    out.push_back({i * 0.5, level + per_second * i * 0.5 + noise * (random.uniform() - 0.5)});
  return out;
}

}  // namespace

TEST_CASE("what is flat does not grow, and what leaks does by what it leaks") {
  const Estimate flat = *growth(readings(1e9, 0, 0, 60, 1));
  CHECK(flat.value == 0);
  CHECK(flat.interval.high == 0);
  const Estimate leak = *growth(readings(1e9, 1e6, 1e6, 61, 2));  // 30 MB in 30 s on 1 GB
  CHECK(leak.value == doctest::Approx(0.0295).epsilon(0.02));
  CHECK(leak.interval.low > 0.02);
  CHECK(leak.interval.high < 0.04);
}

TEST_CASE("one outlier is no trend") {
  auto some = readings(100, 0, 1, 60, 3);
  some.back().value = 1000;
  CHECK(std::abs(growth(some)->value) < 0.02);
}

TEST_CASE("the interval of a flat series holds 0 in at least 88 % of 200 series") {
  int held = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Estimate drift = *growth(readings(10, 0, 5, 50, 100 + seed), {.resamples = 200});
    held += drift.interval.low <= 0 && 0 <= drift.interval.high;
  }
  CHECK(held >= 176);
}

TEST_CASE("too few readings tell nothing") {
  CHECK_FALSE(growth(readings(10, 5, 0, 7, 1)));
  CHECK_FALSE(growth(readings(0, 0, 0, 20, 1)));
}

TEST_CASE("thousands of readings are as good as hundreds") {
  CHECK(growth(readings(1e9, 1e5, 1e6, 5001, 4))->value == doctest::Approx(0.2222).epsilon(0.03));
}
