#include "measure/sequential.h"

#include <algorithm>
#include <cmath>

namespace strop::measure {
namespace {

// log of the integral of x^wins (1 - x)^losses over [1/2, 1], by Simpson's rule on as many pieces
// as the peak needs, the largest value taken out so that nothing underflows.
double log_upper_beta(double wins, double losses) {
  const double pairs = wins + losses;
  const double peak = std::clamp(pairs > 0 ? wins / pairs : 0.5, 0.5, 1.0);
  const auto log_value = [&](double x) {
    const double a = wins > 0 ? wins * std::log(x) : 0;
    const double b = losses > 0 ? losses * std::log1p(-x) : 0;
    return a + b;
  };
  const double largest = log_value(peak);
  const int pieces = 2 * (128 + static_cast<int>(8 * std::sqrt(pairs)));
  const double step = 0.5 / pieces;
  double sum = 0;
  for (int i = 0; i <= pieces; ++i) {
    const double x = 0.5 + step * i;
    const double value = x >= 1 && losses > 0 ? 0 : std::exp(log_value(x) - largest);
    sum += value * (i == 0 || i == pieces ? 1 : i % 2 == 1 ? 4 : 2);
  }
  return largest + std::log(sum * step / 3);
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
  p_ = std::min(p_, std::min(1.0, 2 * first_.p_value()));
  if (first_.p_value() <= error_ / 2)
    state_ = State::first_wins;
  else if (second_.p_value() <= error_ / 2)
    state_ = State::second_wins;
  return state_;
}

}  // namespace strop::measure
