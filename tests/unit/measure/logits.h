// Rows of logits for tests: shaped like a language model's, with a few probable tokens and a long
// tail.
#pragma once

#include <cmath>
#include <numbers>
#include <vector>

#include "measure/random.h"

namespace strop::measure::sample {

inline double normal(Random& random) {
  const double radius = std::sqrt(-2 * std::log(1 - random.uniform()));
  return radius * std::cos(2 * std::numbers::pi * random.uniform());
}

// Normal logits and a few peaks of an exponential height above them.
inline std::vector<float> row(std::size_t width, Random& random, double spread = 2.5) {
  std::vector<float> out(width);
  for (float& logit : out) logit = static_cast<float>(spread * normal(random));
  for (int i = 0; i < 40; ++i)
    out[random.below(width)] = static_cast<float>(8 - 2.5 * std::log(1 - random.uniform()));
  return out;
}

inline std::vector<float> disturbed(const std::vector<float>& row, Random& random, double noise) {
  std::vector<float> out = row;
  for (float& logit : out) logit += static_cast<float>(noise * normal(random) + 0.5);
  return out;
}

// KL(p || q) as its definition says, in long double.
inline double exact_divergence(const std::vector<float>& p, const std::vector<float>& q) {
  long double p_sum = 0, q_sum = 0, kl = 0;
  for (float logit : p) p_sum += std::exp(static_cast<long double>(logit));
  for (float logit : q) q_sum += std::exp(static_cast<long double>(logit));
  for (std::size_t i = 0; i < p.size(); ++i) {
    const long double log_p = static_cast<long double>(p[i]) - std::log(p_sum);
    const long double log_q = static_cast<long double>(q[i]) - std::log(q_sum);
    kl += std::exp(log_p) * (log_p - log_q);
  }
  return static_cast<double>(kl);
}

}  // namespace strop::measure::sample
