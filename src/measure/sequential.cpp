#include "measure/sequential.h"

#include <algorithm>
#include <cmath>

namespace strop::measure {
namespace {

// log of C(of, k) / 2^of.
double log_share(double k, double of) {
  return std::lgamma(of + 1) - std::lgamma(k + 1) - std::lgamma(of - k + 1) - of * std::log(2);
}

// log of the chance that at most k of so many fair coins show heads: the terms on the side where
// they fall, from the largest on, until the rest no longer counts.
double log_at_most(double k, double of) {
  constexpr double kNothing = 1e-18;
  const bool lower = k <= of / 2;
  const double begin = lower ? k : k + 1;
  if (begin > of) return 0;
  double term = 1, sum = 0;
  for (double i = begin; i >= 0 && i <= of && term > kNothing * sum; i += lower ? -1 : 1) {
    sum += term;
    term *= lower ? i / (of - i + 1) : (of - i) / (i + 1);
  }
  const double log_sum = log_share(begin, of) + std::log(sum);
  return lower ? log_sum : std::log1p(-std::exp(log_sum));
}

// log of the integral of x^wins (1 - x)^losses over [1/2, 1]: the beta function's upper half is a
// binomial tail (Abramowitz and Stegun 26.5.24).
double log_upper_beta(double wins, double losses) {
  return std::lgamma(wins + 1) + std::lgamma(losses + 1) - std::lgamma(wins + losses + 2) +
         log_at_most(wins, wins + losses + 1);
}

}  // namespace

double SequentialSignTest::log_evidence() const {
  const double wins = static_cast<double>(wins_), losses = static_cast<double>(losses_);
  // The mixture is uniform over [1/2, 1], of density 2.
  return std::log(2) + log_upper_beta(wins, losses) + (wins + losses) * std::log(2);
}

double SequentialSignTest::p_value() const { return std::exp(std::min(0.0, -log_evidence())); }

SequentialComparison::State SequentialComparison::add(bool first_wins) {
  if (state_ != State::open) return state_;
  first_.add(first_wins);
  second_.add(!first_wins);
  const double p = first_.p_value();
  p_ = std::min(p_, std::min(1.0, 2 * p));
  if (p <= error_ / 2)
    state_ = State::first_wins;
  else if (second_.p_value() <= error_ / 2)
    state_ = State::second_wins;
  return state_;
}

}  // namespace strop::measure
