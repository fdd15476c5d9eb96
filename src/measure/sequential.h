// A test that may be looked at after every pair and stopped at any time. Pure.
#pragma once

#include <cstdint>

namespace strop::measure {

// Of pairs in which the first or the second wins; ties are left out by the caller. The null
// hypothesis is that the first wins at most half of them. The evidence against it is the likelihood
// ratio of a mixture of all shares above one half to one half itself: a supermartingale under the
// null hypothesis, so that its chance of ever reaching 1 / error is at most `error` (Ville),
// however often one looks. Nothing is assumed of the sizes of the differences.
class SequentialSignTest {
 public:
  void add(bool first_wins) { ++(first_wins ? wins_ : losses_); }
  std::uint64_t wins() const { return wins_; }
  std::uint64_t pairs() const { return wins_ + losses_; }
  // Likelihood ratio so far; 1 before the first pair. Logarithm, since it grows without bound.
  double log_evidence() const;
  // The smallest error at which the null hypothesis is rejected by what was seen, at most 1. Valid
  // at any time; only the smallest of all looks needs to be kept.
  double p_value() const;

 private:
  std::uint64_t wins_ = 0;
  std::uint64_t losses_ = 0;
};

// Both directions at once, each at half of the error.
class SequentialComparison {
 public:
  enum class State { open, first_wins, second_wins };
  explicit SequentialComparison(double error) : error_(error) {}
  // Once decided it stays so.
  State add(bool first_wins);
  State state() const { return state_; }
  // That the first does not win more than half: twice the one-sided one, at most 1.
  double p_value() const { return p_; }
  std::uint64_t pairs() const { return first_.pairs(); }
  std::uint64_t wins() const { return first_.wins(); }

 private:
  double error_;
  SequentialSignTest first_, second_;
  double p_ = 1;
  State state_ = State::open;
};

}  // namespace strop::measure
