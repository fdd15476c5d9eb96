#include "measure/sequential.h"

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>

#include "measure/random.h"

using namespace strop::measure;

namespace {

// How many of so many tests, looked at after every pair, ever end with this state.
int ends(double chance, SequentialComparison::State wanted, int tests, int pairs,
         std::uint64_t seed) {
  Random random(seed);
  int count = 0;
  for (int i = 0; i < tests; ++i) {
    SequentialComparison comparison(0.05);
    for (int k = 0; k < pairs && comparison.state() == SequentialComparison::State::open; ++k)
      comparison.add(random.uniform() < chance);
    count += comparison.state() == wanted;
  }
  return count;
}

using State = SequentialComparison::State;

}  // namespace

TEST_CASE("law: without a difference at most 5 % of tests ever decide, however often one looks") {
  constexpr int kTests = 1000, kPairs = 400;
  const int first = ends(0.5, State::first_wins, kTests, kPairs, 1);
  const int second = ends(0.5, State::second_wins, kTests, kPairs, 2);
  // Each at most 2.5 %, and three deviations of 1,000 tests.
  CHECK(first <= 25 + 15);
  CHECK(second <= 25 + 15);
  CHECK(first + second <= 50 + 21);
  CHECK(first + second > 0);  // it is no test that never decides
}

TEST_CASE("law: under the null hypothesis evidence does not grow in the mean") {
  // The mean over all outcomes of n pairs, exactly.
  for (int n : {1, 5, 12}) {
    double mean = 0;
    for (int wins = 0; wins <= n; ++wins) {
      SequentialSignTest test;
      for (int i = 0; i < n; ++i) test.add(i < wins);
      const double ways =
          std::exp(std::lgamma(n + 1) - std::lgamma(wins + 1) - std::lgamma(n - wins + 1));
      mean += ways * std::pow(0.5, n) * std::exp(test.log_evidence());
    }
    CHECK(mean == doctest::Approx(1).epsilon(1e-6));
  }
}

TEST_CASE("a real difference is found, the sooner the clearer it is") {
  CHECK(ends(0.9, State::first_wins, 200, 60, 3) >= 198);
  CHECK(ends(0.65, State::first_wins, 200, 400, 4) >= 190);
  CHECK(ends(0.1, State::second_wins, 200, 60, 5) >= 198);
  CHECK(ends(0.9, State::second_wins, 200, 60, 6) == 0);
}

// n wins without a loss: the mixture's likelihood ratio is 2 (2^n - 1/2) / (n + 1), 31.9 for seven
// and 56.8 for eight; each direction has half of the error, so that 40 decides.
TEST_CASE("eight wins in a row are enough for 5 %, seven are not") {
  CHECK([] {
    SequentialSignTest test;
    for (int i = 0; i < 8; ++i) test.add(true);
    return std::exp(test.log_evidence());
  }() == doctest::Approx(2 * (256 - 0.5) / 9));
  SequentialComparison comparison(0.05);
  for (int i = 0; i < 7; ++i) CHECK(comparison.add(true) == State::open);
  CHECK(comparison.p_value() > 0.05);
  CHECK(comparison.add(true) == State::first_wins);
  CHECK(comparison.p_value() <= 0.05);
  CHECK(comparison.add(false) == State::first_wins);  // decided is decided
  CHECK(comparison.pairs() == 8);
}

TEST_CASE("evidence of ten thousand pairs is finite") {
  SequentialSignTest test;
  for (int i = 0; i < 10000; ++i) test.add(i % 4 != 0);
  CHECK(std::isfinite(test.log_evidence()));
  CHECK(test.p_value() < 1e-100);
  CHECK(test.p_value() >= 0);
}
