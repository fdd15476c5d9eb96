#include "measure/row.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/clones.h"
#include "core/logits.h"

namespace strop::measure {
namespace {

// Short enough that a float lane adds few terms, long enough that the double sum costs nothing.
constexpr std::size_t kBlock = 256;

// exp(x) = 2^n exp(r), r in [-ln2/2, ln2/2]: Cody-Waite reduction, a Taylor polynomial of degree 6
// with its last coefficients adjusted to the interval (Cephes expf).
[[gnu::always_inline]] inline float exp_lane(float x) {
  constexpr float kRound =
      12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  x = x < -87.0f ? -87.0f : x;
  const float shifted = x * 1.44269504088896341f + kRound;
  const float n = shifted - kRound;
  float r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float tail = 1.9875691500e-4f;
  tail = tail * r + 1.3981999507e-3f;
  tail = tail * r + 8.3334519073e-3f;
  tail = tail * r + 4.1665795894e-2f;
  tail = tail * r + 1.6666665459e-1f;
  tail = tail * r + 5.0000001201e-1f;
  const float mantissa = tail * r * r + r + 1.0f;
  const std::uint32_t exponent = std::bit_cast<std::uint32_t>(shifted) << 23;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(mantissa) + exponent);
}

STROP_CLONES float exp_sum(const float* x, float shift, std::size_t count) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < count; ++i) sum += exp_lane(x[i] - shift);
  return sum;
}

STROP_CLONES void exp_each(const float* x, float shift, float* out, std::size_t count) {
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) out[i] = exp_lane(x[i] - shift);
}

STROP_CLONES float plain_sum(const float* x, std::size_t count) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < count; ++i) sum += x[i];
  return sum;
}

// Sum of p d with p = exp(z_p - shift_p) and d = (z_p - shift_p) - (z_q - shift_q).
STROP_CLONES float weighted_difference(const float* p, float p_shift, const float* q, float q_shift,
                                       std::size_t count) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < count; ++i) {
    const float log_p = p[i] - p_shift;
    sum += exp_lane(log_p) * (log_p - (q[i] - q_shift));
  }
  return sum;
}

// Adds up `part(begin, count)` over the blocks of a row.
template <class Part>
double sum_of_blocks(std::size_t width, const Part& part) {
  double sum = 0;
  for (std::size_t begin = 0; begin < width; begin += kBlock)
    sum += static_cast<double>(part(begin, std::min(kBlock, width - begin)));
  return sum;
}

}  // namespace

float fast_exp(float x) { return exp_lane(x); }

void exponentials(std::span<const float> logits, float shift, std::span<float> out) {
  STROP_ASSERT(out.size() == logits.size(), out.size(), " places for ", logits.size(), " values");
  exp_each(logits.data(), shift, out.data(), logits.size());
}

double sum_of(std::span<const float> values) {
  return static_cast<double>(plain_sum(values.data(), values.size()));
}

Result<RowSummary> summarise_row(std::span<const float> logits) {
  const RowExtremes extremes = extremes_of(logits);
  if (!extremes.finite)
    return Error{ErrorCode::backend, "[measure] the engine gave logits that are not finite",
                 "The artifact or the engine is broken: try another precision or CPU variant"};
  if (extremes.lowest == extremes.highest)
    return Error{
        ErrorCode::backend,
        str("[measure] the engine gave ", logits.size(), " equal logits: ", extremes.lowest),
        "The engine computed nothing: try another precision or CPU variant"};
  RowSummary summary{.maximum = extremes.highest,
                     .argmax = static_cast<std::uint32_t>(extremes.leader)};
  const double sum = sum_of_blocks(logits.size(), [&](std::size_t begin, std::size_t count) {
    return exp_sum(logits.data() + begin, summary.maximum, count);
  });
  summary.log_sum = static_cast<double>(summary.maximum) + std::log(sum);
  return summary;
}

double negative_log_likelihood(std::span<const float> logits, const RowSummary& summary,
                               TokenId token) {
  return summary.log_sum - static_cast<double>(logits[static_cast<std::size_t>(token)]);
}

double divergence(std::span<const float> p, const RowSummary& p_summary, std::span<const float> q,
                  const RowSummary& q_summary) {
  STROP_ASSERT(p.size() == q.size(), "rows of ", p.size(), " and ", q.size(), " logits");
  const double weighted = sum_of_blocks(p.size(), [&](std::size_t begin, std::size_t count) {
    return weighted_difference(p.data() + begin, p_summary.maximum, q.data() + begin,
                               q_summary.maximum, count);
  });
  // log p - log q = d - (log sum of exp(z_p - max_p)) + (the same of q), and the weights sum to
  // exp(log_p_sum).
  const double log_p_sum = p_summary.log_sum - static_cast<double>(p_summary.maximum);
  const double log_q_sum = q_summary.log_sum - static_cast<double>(q_summary.maximum);
  return std::max(0.0, weighted / std::exp(log_p_sum) - log_p_sum + log_q_sum);
}

}  // namespace strop::measure
