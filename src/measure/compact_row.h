// What is kept of one row of the quality reference: enough for the divergence of any candidate from
// it, in a twentieth of the room of all logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "measure/row.h"
#include "strop/result.h"

namespace strop::measure {

// The shape of all rows of a store.
struct CompactShape {
  std::uint32_t vocabulary_size = 0;
  std::uint32_t top = 1024;  // most probable ids, kept with their log-probabilities
  std::uint32_t tail = 64;   // ids drawn from the rest
  bool operator==(const CompactShape&) const = default;
};

// The shape for a vocabulary: no more entries than it has, no draws when all are kept.
CompactShape shape_for(std::uint32_t vocabulary_size);

// One scored position of the reference p. log_p are natural logarithms of probabilities.
struct CompactRow {
  float nll = 0;                        // of the true next token
  float tail_mass = 0;                  // sum of p outside the top
  std::vector<std::uint32_t> top_ids;   // most probable first; the first is the argmax
  std::vector<float> top_log_p;         // in a store: 64 exact, the others to about 1e-4
  std::vector<std::uint32_t> tail_ids;  // drawn independently from p restricted to the rest
  std::vector<float> tail_log_p;
  bool operator==(const CompactRow&) const = default;
};

// Reduces a row. The same seed draws the same ids.
CompactRow compact(std::span<const float> logits, const RowSummary& summary, TokenId next,
                   const CompactShape& shape, std::uint64_t seed);

struct DivergenceEstimate {
  double value = 0;           // nats
  double standard_error = 0;  // of the drawn tail; a store's rounding adds less
};

// KL(p || q) from the kept part of p and the whole row of q: exact over the top, estimated without
// bias over the rest.
//
// With both distributions summing to 1, KL = sum g_i, g_i = p_i log(p_i / q_i) - p_i + q_i >= 0. In
// this form an error of log p_i enters only times log(p_i / q_i), and q's mass, known exactly, is
// the control variate of the draws: a term g_i / p_i is of second order in log(p_i / q_i), so few
// draws suffice. Where q puts far more mass on the rest than p (above kHeavyTail times), q_i / p_i
// would vary too much and log(p_i / q_i) is averaged alone.
DivergenceEstimate divergence(const CompactRow& p, std::span<const float> q,
                              const RowSummary& q_summary);

inline constexpr double kHeavyTail = 4;

}  // namespace strop::measure
