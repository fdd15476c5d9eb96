#include "measure/compact_row.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "unit/measure/logits.h"

using namespace strop;
using namespace strop::measure;

namespace {

constexpr std::uint32_t kVocabulary = 20000;

CompactRow kept(const std::vector<float>& p, const CompactShape& shape, std::uint64_t seed) {
  return compact(p, *summarise_row(p), 7, shape, seed);
}

}  // namespace

TEST_CASE("the top of a row is its most probable ids in order") {
  Random random(1);
  const auto p = sample::row(3000, random);
  const CompactRow row = kept(p, {.vocabulary_size = 3000, .top = 100, .tail = 16}, 1);
  CHECK(row.top_ids.front() == summarise_row(p)->argmax);
  CHECK(std::is_sorted(row.top_log_p.rbegin(), row.top_log_p.rend()));
  const std::set<std::uint32_t> top(row.top_ids.begin(), row.top_ids.end());
  CHECK(top.size() == 100);
  const float least = p[row.top_ids.back()];
  for (std::uint32_t id = 0; id < 3000; ++id) CHECK((top.contains(id) || p[id] <= least));
  for (std::uint32_t id : row.tail_ids) CHECK_FALSE(top.contains(id));
  double mass = static_cast<double>(row.tail_mass);
  for (float log_p : row.top_log_p) mass += std::exp(static_cast<double>(log_p));
  CHECK(mass == doctest::Approx(1).epsilon(1e-5));
}

TEST_CASE("equal logits are kept by id, and far ones are found") {
  std::vector<float> p(200, -100.0f);
  p[3] = 0;
  const CompactRow row = kept(p, {.vocabulary_size = 200, .top = 5, .tail = 2}, 1);
  CHECK(row.top_ids == std::vector<std::uint32_t>{3, 0, 1, 2, 4});
  const std::vector<float> signs{-1, -0.0f, 2, 0, -3, 1, -2, 2};
  CHECK(kept(signs, {.vocabulary_size = 8, .top = 8, .tail = 0}, 1).top_ids ==
        std::vector<std::uint32_t>{2, 7, 5, 1, 3, 0, 6, 4});
}

TEST_CASE("a small vocabulary is kept whole and its divergence is exact") {
  Random random(2);
  const CompactShape shape = shape_for(256);
  CHECK(shape == CompactShape{.vocabulary_size = 256, .top = 256, .tail = 0});
  const auto p = sample::row(256, random), q = sample::disturbed(p, random, 0.3);
  const auto estimate = divergence(kept(p, shape, 1), q, *summarise_row(q));
  CHECK(estimate.value == doctest::Approx(sample::exact_divergence(p, q)).epsilon(1e-4));
  CHECK(estimate.standard_error == 0);
}

TEST_CASE("the estimate of one row is unbiased and its standard error is honest") {
  Random random(5);
  const CompactShape shape{.vocabulary_size = kVocabulary, .top = 256, .tail = 64};
  for (double noise : {0.05, 0.5, 2.0}) {
    const auto p = sample::row(kVocabulary, random), q = sample::disturbed(p, random, noise);
    const auto q_summary = *summarise_row(q);
    const double exact = sample::exact_divergence(p, q);
    double sum = 0, squares = 0, stated = 0;
    constexpr int kDraws = 200;
    for (std::uint64_t seed = 0; seed < kDraws; ++seed) {
      const auto estimate = divergence(kept(p, shape, mixed(seed)), q, q_summary);
      sum += estimate.value - exact;
      squares += (estimate.value - exact) * (estimate.value - exact);
      stated += estimate.standard_error * estimate.standard_error;
    }
    CAPTURE(noise);
    const double bias_error = std::sqrt(squares) / kDraws;
    CHECK(std::abs(sum / kDraws) < 4 * bias_error + 1e-6);
    CHECK(squares / stated > 0.6);
    CHECK(squares / stated < 1.7);
  }
}

TEST_CASE("the mean over positions is within half a percent of the exact one") {
  Random random(6);
  const CompactShape shape = shape_for(kVocabulary);
  for (double noise : {0.02, 0.2, 1.0}) {
    double exact = 0, estimated = 0;
    for (std::uint64_t i = 0; i < 40; ++i) {
      const auto p = sample::row(kVocabulary, random), q = sample::disturbed(p, random, noise);
      exact += sample::exact_divergence(p, q);
      estimated += divergence(kept(p, shape, mixed(i)), q, *summarise_row(q)).value;
    }
    CAPTURE(noise);
    CHECK(estimated == doctest::Approx(exact).epsilon(0.005));
  }
}

TEST_CASE("a candidate that has nothing to do with the reference is still measured") {
  Random random(7);
  const CompactShape shape = shape_for(kVocabulary);
  double exact = 0, estimated = 0;
  for (std::uint64_t i = 0; i < 20; ++i) {
    const auto p = sample::row(kVocabulary, random), q = sample::row(kVocabulary, random);
    exact += sample::exact_divergence(p, q);
    estimated += divergence(kept(p, shape, mixed(i)), q, *summarise_row(q)).value;
  }
  CHECK(estimated == doctest::Approx(exact).epsilon(0.02));
}
