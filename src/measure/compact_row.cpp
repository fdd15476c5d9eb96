#include "measure/compact_row.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "measure/random.h"

namespace strop::measure {
namespace {

constexpr std::size_t kBlock = 256;

// A logit and its id as one number: the larger logit first, equal ones by id.
std::uint64_t key_of(float logit, std::uint32_t id) {
  const auto bits = std::bit_cast<std::uint32_t>(logit + 0.0f);  // of -0, those of 0
  const std::uint32_t falling = bits >> 31 != 0 ? bits : ~(bits | 1u << 31);
  return std::uint64_t{falling} << 32 | id;
}

// Of all logits from the threshold on.
std::vector<std::uint64_t> keys_from(std::span<const float> logits, float threshold) {
  std::vector<std::uint64_t> keys;
  std::array<std::uint32_t, kBlock> found{};
  for (std::size_t begin = 0; begin < logits.size(); begin += kBlock) {
    const std::size_t end = std::min(begin + kBlock, logits.size());
    std::size_t count = 0;
    for (std::size_t id = begin; id < end; ++id) {  // without a branch, that nobody could foretell
      found[count] = static_cast<std::uint32_t>(id);
      count += logits[id] >= threshold ? 1 : 0;
    }
    for (std::size_t i = 0; i < count; ++i) keys.push_back(key_of(logits[found[i]], found[i]));
  }
  return keys;
}

// Of at least the `count` largest logits. A row has tens of thousands of values and few are wanted,
// so a threshold is taken from a sixteenth of them, with a margin, and lowered in the rare case
// that it was too high.
std::vector<std::uint64_t> keys_for_top(std::span<const float> logits, std::size_t count) {
  constexpr std::size_t kStride = 16;
  std::vector<float> sample;
  for (std::size_t i = 0; i < logits.size(); i += kStride) sample.push_back(logits[i]);
  for (std::size_t rank = (count + count / 4) / kStride + 4; rank < sample.size(); rank *= 2) {
    std::nth_element(sample.begin(), sample.begin() + static_cast<std::ptrdiff_t>(rank),
                     sample.end(), std::greater<>());
    auto keys = keys_from(logits, sample[rank]);
    if (keys.size() >= count) return keys;
  }
  return keys_from(logits, std::numeric_limits<float>::lowest());
}

// The ids of the `count` largest logits, largest first, equal ones by id.
std::vector<std::uint32_t> top_ids(std::span<const float> logits, std::size_t count) {
  std::vector<std::uint64_t> keys = keys_for_top(logits, count);
  const auto end = keys.begin() + static_cast<std::ptrdiff_t>(count);
  if (end != keys.end()) std::nth_element(keys.begin(), end, keys.end());
  std::sort(keys.begin(), end);
  std::vector<std::uint32_t> ids(count);
  std::transform(keys.begin(), end, ids.begin(),
                 [](std::uint64_t key) { return static_cast<std::uint32_t>(key); });
  return ids;
}

float log_p_of(float logit, const RowSummary& summary) {
  return static_cast<float>(static_cast<double>(logit) - summary.log_sum);
}

// Draws from the ids outside the top in proportion to p: one walk over the row serves all draws, in
// ascending order.
void draw_tail(std::span<const float> logits, const RowSummary& summary, std::uint32_t draws,
               std::uint64_t seed, CompactRow& row) {
  std::vector<float> weights(logits.size());
  exponentials(logits, summary.maximum, weights);
  for (std::uint32_t id : row.top_ids) weights[id] = 0;
  std::vector<double> sums;  // of blocks, so that the walk can step over those without a draw
  for (std::size_t begin = 0; begin < weights.size(); begin += kBlock)
    sums.push_back(
        sum_of(std::span(weights).subspan(begin, std::min(kBlock, weights.size() - begin))));
  const double total = std::accumulate(sums.begin(), sums.end(), 0.0);
  row.tail_mass =
      static_cast<float>(total * std::exp(static_cast<double>(summary.maximum) - summary.log_sum));

  Random random(seed);
  std::vector<double> places(draws);
  for (double& place : places) place = random.uniform() * total;
  std::sort(places.begin(), places.end());
  double reached = 0;
  auto place = places.begin();
  for (std::size_t block = 0; block < sums.size(); ++block) {
    const double end = reached + sums[block];
    const std::size_t begin = block * kBlock;
    for (std::size_t id = begin; place != places.end() && *place < end; ++place) {
      const std::size_t last = std::min(begin + kBlock, weights.size()) - 1;
      while (id < last && reached + static_cast<double>(weights[id]) <= *place)
        reached += static_cast<double>(weights[id++]);
      row.tail_ids.push_back(static_cast<std::uint32_t>(id));
    }
    reached = end;
  }
  // A place that rounding put beyond the end belongs to the least of the top's neighbours: any id
  // outside will do.
  if (row.tail_ids.empty()) row.tail_ids.push_back(row.top_ids.back());
  row.tail_ids.resize(draws, row.tail_ids.back());
  for (std::uint32_t id : row.tail_ids) row.tail_log_p.push_back(log_p_of(logits[id], summary));
}

DivergenceEstimate tail_divergence(const CompactRow& p, std::span<const float> q,
                                   const RowSummary& q_summary, double q_mass) {
  const double mass = static_cast<double>(p.tail_mass);
  if (p.tail_ids.empty() || mass <= 0) return {.value = q_mass - mass};
  const bool heavy = q_mass > kHeavyTail * mass;
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < p.tail_ids.size(); ++i) {
    const double log_q = static_cast<double>(q[p.tail_ids[i]]) - q_summary.log_sum;
    const double log_ratio = static_cast<double>(p.tail_log_p[i]) - log_q;
    const double term = heavy ? log_ratio : log_ratio - 1 + std::exp(-log_ratio);
    sum += term;
    squares += term * term;
  }
  const double n = static_cast<double>(p.tail_ids.size());
  const double average = sum / n;
  const double variance = n > 1 ? std::max(0.0, squares - n * average * average) / (n - 1) : 0;
  return {mass * average + (heavy ? q_mass - mass : 0), mass * std::sqrt(variance / n)};
}

}  // namespace

CompactShape shape_for(std::uint32_t vocabulary_size) {
  CompactShape shape{.vocabulary_size = vocabulary_size};
  if (vocabulary_size <= shape.top) shape.top = vocabulary_size, shape.tail = 0;
  return shape;
}

CompactRow compact(std::span<const float> logits, const RowSummary& summary, TokenId next,
                   const CompactShape& shape, std::uint64_t seed) {
  STROP_ASSERT(logits.size() == shape.vocabulary_size && shape.top <= logits.size(), "a row of ",
               logits.size(), " for a store of ", shape.vocabulary_size);
  CompactRow row;
  row.nll = static_cast<float>(negative_log_likelihood(logits, summary, next));
  row.top_ids = top_ids(logits, shape.top);
  for (std::uint32_t id : row.top_ids) row.top_log_p.push_back(log_p_of(logits[id], summary));
  if (shape.tail > 0) draw_tail(logits, summary, shape.tail, seed, row);
  return row;
}

DivergenceEstimate divergence(const CompactRow& p, std::span<const float> q,
                              const RowSummary& q_summary) {
  double sum = 0, q_mass = 0;
  for (std::size_t i = 0; i < p.top_ids.size(); ++i) {
    const double log_p = static_cast<double>(p.top_log_p[i]);
    const double log_q = static_cast<double>(q[p.top_ids[i]]) - q_summary.log_sum;
    const double p_i = std::exp(log_p), q_i = std::exp(log_q);
    sum += p_i * (log_p - log_q) - p_i + q_i;
    q_mass += q_i;
  }
  if (p.top_ids.size() == q.size()) return {.value = std::max(0.0, sum)};
  const DivergenceEstimate rest = tail_divergence(p, q, q_summary, std::max(0.0, 1 - q_mass));
  return {std::max(0.0, sum + rest.value), rest.standard_error};
}

}  // namespace strop::measure
