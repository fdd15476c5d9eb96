#include "measure/row.h"

#include <doctest/doctest.h>

#include <limits>

#include "unit/measure/logits.h"

using namespace strop;
using namespace strop::measure;

TEST_CASE("fast_exp keeps to its error over its whole range") {
  double worst = 0;
  for (float x = -86.9f; x <= 0; x += 0.0013f)
    worst = std::max(
        worst, std::abs(static_cast<double>(fast_exp(x)) / std::exp(static_cast<double>(x)) - 1));
  CHECK(worst < 2e-7);
  CHECK(fast_exp(0) == 1);
  CHECK(fast_exp(-1000) < 2e-38f);
}

TEST_CASE("a row's summary and likelihood are those of its definition") {
  const std::vector<float> row{0, std::log(2.0f), std::log(5.0f)};
  const auto summary = summarise_row(row);
  REQUIRE(summary);
  CHECK(summary->argmax == 2);
  CHECK(summary->log_sum == doctest::Approx(std::log(8.0)));
  CHECK(negative_log_likelihood(row, *summary, 1) == doctest::Approx(std::log(4.0)));
}

TEST_CASE("the divergence is exact from tiny to large ones, at any width") {
  Random random(3);
  for (std::size_t width : {2u, 15u, 17u, 1023u, 1024u, 1025u, 49152u})
    for (double noise : {0.01, 0.1, 1.0, 4.0}) {
      const auto p = sample::row(width, random), q = sample::disturbed(p, random, noise);
      const double exact = sample::exact_divergence(p, q);
      CAPTURE(width);
      CAPTURE(noise);
      CHECK(std::abs(divergence(p, *summarise_row(p), q, *summarise_row(q)) - exact) <
            1e-6 * (1 + exact));
    }
}

TEST_CASE("equal rows do not diverge, however they are shifted") {
  Random random(4);
  const auto p = sample::row(5000, random);
  auto shifted = p;
  for (float& logit : shifted) logit += 16;
  const auto summary = *summarise_row(p);
  CHECK(divergence(p, summary, p, summary) == 0);
  CHECK(divergence(p, summary, shifted, *summarise_row(shifted)) < 1e-6);
}

TEST_CASE("broken rows are refused") {
  std::vector<float> row(100, 1.0f);
  CHECK(summarise_row(row).error().code == ErrorCode::backend);
  row[50] = 2;
  CHECK(summarise_row(row));
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                    -std::numeric_limits<float>::infinity()})
    for (std::size_t place : {0u, 50u, 99u}) {
      auto broken = row;
      broken[place] = bad;
      CHECK_FALSE(summarise_row(broken));
    }
}
