#include "measure/compact_row.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "measure/random.h"

namespace strop::measure {
namespace {

constexpr std::size_t kBins = 512;
constexpr float kBinsPerNat = 16;

// Ids of at least the `count` largest logits, found with one histogram of the distances to the
// maximum: a row has tens of thousands of values and only a few are wanted.
std::vector<std::uint32_t> candidates_for_top(std::span<const float> logits, float maximum,
                                              std::size_t count) {
  const auto bin_of = [maximum](float logit) {
    const float distance = (maximum - logit) * kBinsPerNat;
    return distance < static_cast<float>(kBins - 1) ? static_cast<std::size_t>(distance)
                                                    : kBins - 1;
  };
  std::array<std::size_t, kBins> bins{};
  for (float logit : logits) ++bins[bin_of(logit)];
  std::size_t last = 0;
  for (std::size_t seen = bins[0]; seen < count; seen += bins[last]) ++last;
  std::vector<std::uint32_t> ids;
  for (std::uint32_t id = 0; id < logits.size(); ++id)
    if (bin_of(logits[id]) <= last) ids.push_back(id);
  return ids;
}

// The ids of the `count` largest logits, largest first, equal ones by id.
std::vector<std::uint32_t> top_ids(std::span<const float> logits, float maximum,
                                   std::size_t count) {
  std::vector<std::uint32_t> ids = candidates_for_top(logits, maximum, count);
  const auto before = [&](std::uint32_t a, std::uint32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
  const auto end = ids.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(ids.begin(), end, ids.end(), before);
  ids.resize(count);
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
  std::transform(logits.begin(), logits.end(), weights.begin(),
                 [&](float logit) { return fast_exp(logit - summary.maximum); });
  for (std::uint32_t id : row.top_ids) weights[id] = 0;
  double total = 0;
  for (float weight : weights) total += static_cast<double>(weight);
  row.tail_mass =
      static_cast<float>(total * std::exp(static_cast<double>(summary.maximum) - summary.log_sum));

  Random random(seed);
  std::vector<double> places(draws);
  for (double& place : places) place = random.uniform() * total;
  std::sort(places.begin(), places.end());
  double reached = 0;
  std::uint32_t last = 0;  // for a place that rounding put beyond the end
  auto place = places.begin();
  for (std::uint32_t id = 0; id < weights.size() && place != places.end(); ++id) {
    if (weights[id] <= 0) continue;
    reached += static_cast<double>(weights[id]);
    last = id;
    for (; place != places.end() && *place < reached; ++place) row.tail_ids.push_back(id);
  }
  row.tail_ids.resize(draws, last);
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
  row.top_ids = top_ids(logits, summary.maximum, shape.top);
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
