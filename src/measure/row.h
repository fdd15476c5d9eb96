// Reductions of rows of logits: one pass over a vocabulary's width per question. They are what an
// evaluation spends its own time in, so they run in float lanes, block by block, with the block
// sums added in double.
#pragma once

#include <cstdint>
#include <span>

#include "strop/backend.h"
#include "strop/result.h"

namespace strop::measure {

// A row of logits z stands for the distribution p_i = exp(z_i - log_sum).
struct RowSummary {
  float maximum = 0;
  std::uint32_t argmax = 0;  // the first, if several
  double log_sum = 0;        // log of the sum of exp(z_i), to about 1e-7
};

// Fails with backend when a logit is not finite or all are equal: what a broken layer or an engine
// that did nothing hands out.
Result<RowSummary> summarise_row(std::span<const float> logits);

// -log p_token, in nats.
double negative_log_likelihood(std::span<const float> logits, const RowSummary& summary,
                               TokenId token);

// Kullback-Leibler divergence sum p_i (log p_i - log q_i) in nats, exact to about 1e-7; 0 for equal
// rows, never negative. Both rows have the same width.
double divergence(std::span<const float> p, const RowSummary& p_summary, std::span<const float> q,
                  const RowSummary& q_summary);

// exp(logits[i] - shift) for shift at least the maximum; out is as wide.
void exponentials(std::span<const float> logits, float shift, std::span<float> out);

// Of a block of floats: in lanes, so with the rounding of floats.
double sum_of(std::span<const float> values);

// exp(x) for x <= 0 to a relative 2e-7; below -87 it stays at exp(-87).
float fast_exp(float x);

}  // namespace strop::measure
