#include "measure/ceiling_kernels.h"

#include <cstring>

// These loops need vectors, whatever the preset compiles with. Clang has no such attribute, and
// takes vectors at -O2.
#if defined(__clang__)
#define STROP_O3
#else
#define STROP_O3 [[gnu::optimize("O3")]]
#endif

namespace strop::measure {
namespace {

constexpr int kChains = 10;  // enough to hide the latency of one multiply-add on two ports

// One body for every width; GNU vectors become the processor's own under each target.
template <int kFloats>
struct Wide {
  typedef float Vector __attribute__((vector_size(kFloats * sizeof(float))));
};

template <int kFloats>
[[gnu::always_inline]] inline float sum_in(std::span<const float> values) {
  using Vector = typename Wide<kFloats>::Vector;
  constexpr std::size_t kSums = 4;
  Vector sums[kSums] = {};
  std::size_t i = 0;
  for (; i + kSums * kFloats <= values.size(); i += kSums * kFloats)
    for (std::size_t k = 0; k < kSums; ++k) {
      Vector next;
      std::memcpy(&next, values.data() + i + k * kFloats, sizeof next);
      sums[k] += next;
    }
  const Vector all = sums[0] + sums[1] + sums[2] + sums[3];
  float total = 0;
  for (int k = 0; k < kFloats; ++k) total += all[k];
  for (; i < values.size(); ++i) total += values[i];
  return total;
}

template <int kFloats>
[[gnu::always_inline]] inline float multiply_add_in(std::uint64_t rounds) {
  using Vector = typename Wide<kFloats>::Vector;
  Vector chains[kChains];
  for (int k = 0; k < kChains; ++k) chains[k] = Vector{} + (1.0f + static_cast<float>(k));
  // Contracting, so that a long run neither overflows nor meets denormal numbers.
  Vector factor = Vector{} + 0.5f, term = Vector{} + 0.5f;
  asm volatile("" : "+m"(factor), "+m"(term));
  for (std::uint64_t round = 0; round < rounds; ++round)
    for (int k = 0; k < kChains; ++k) chains[k] = chains[k] * factor + term;
  Vector all{};
  for (int k = 0; k < kChains; ++k) all += chains[k];
  float total = 0;
  for (int k = 0; k < kFloats; ++k) total += all[k];
  return total;
}

#if defined(__x86_64__)
[[gnu::target("avx512f")]] STROP_O3 float sum_512(std::span<const float> v) {
  return sum_in<16>(v);
}
[[gnu::target("avx2,fma")]] STROP_O3 float sum_256(std::span<const float> v) {
  return sum_in<8>(v);
}
[[gnu::target("avx512f")]] STROP_O3 float multiply_512(std::uint64_t rounds) {
  return multiply_add_in<16>(rounds);
}
[[gnu::target("avx2,fma")]] STROP_O3 float multiply_256(std::uint64_t rounds) {
  return multiply_add_in<8>(rounds);
}

int width() {
  static const int kWidth = __builtin_cpu_supports("avx512f")                                 ? 16
                            : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 8
                                                                                              : 4;
  return kWidth;
}
#else
int width() { return 4; }
#endif

STROP_O3 float sum_128(std::span<const float> v) { return sum_in<4>(v); }
STROP_O3 float multiply_128(std::uint64_t rounds) { return multiply_add_in<4>(rounds); }

}  // namespace

float read_and_sum(std::span<const float> values) {
#if defined(__x86_64__)
  if (width() == 16) return sum_512(values);
  if (width() == 8) return sum_256(values);
#endif
  return sum_128(values);
}

float multiply_add(std::uint64_t rounds) {
#if defined(__x86_64__)
  if (width() == 16) return multiply_512(rounds);
  if (width() == 8) return multiply_256(rounds);
#endif
  return multiply_128(rounds);
}

std::uint64_t operations_per_round() {
  return 2ull * static_cast<std::uint64_t>(width()) * kChains;
}

}  // namespace strop::measure
