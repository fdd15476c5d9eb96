#include "measure/ceilings.h"

#include <doctest/doctest.h>

#include <numeric>
#include <vector>

#include "measure/ceiling_kernels.h"

using namespace strop;
using namespace strop::measure;

namespace {

const MachineCeilings kMachine{
    .bytes_per_second = 20e9, .operations_per_second = 100e9, .threads = 2};

Metric rate(double value) {
  return {.metric = "decode_rate",
          .unit = "tokens/s",
          .value = value,
          .interval = Interval{value * 0.9, value * 1.1}};
}

}  // namespace

TEST_CASE("decode reads every weight for each token: the bandwidth binds") {
  const TokenCost cost{
      .weight_bytes = 140'000'000, .cache_bytes = 10'000'000, .parameters = 135'000'000};
  const auto ceiling = ceiling_of("decode", cost, kMachine, rate(100));
  REQUIRE(ceiling);
  CHECK(ceiling->binds == Bottleneck::bandwidth);
  CHECK(ceiling->tokens_per_second == doctest::Approx(20e9 / 150e6));
  CHECK(ceiling->share == doctest::Approx(0.75));
  CHECK(ceiling->interval->low == doctest::Approx(0.675));
}

TEST_CASE("a prompt reads the weights once for many tokens: compute binds") {
  const TokenCost cost{
      .weight_bytes = 140'000'000, .parameters = 135'000'000, .tokens_at_once = 256};
  const auto ceiling = ceiling_of("prefill", cost, kMachine, rate(250));
  REQUIRE(ceiling);
  CHECK(ceiling->binds == Bottleneck::compute);
  CHECK(ceiling->share == doctest::Approx(250 / (100e9 / 270e6)));
}

TEST_CASE("what is not known is not measured") {
  const TokenCost whole{.weight_bytes = 1, .parameters = 1};
  CHECK_FALSE(ceiling_of("decode", {.parameters = 1}, kMachine, rate(1)));
  CHECK_FALSE(ceiling_of("decode", {.weight_bytes = 1}, kMachine, rate(1)));
  CHECK_FALSE(ceiling_of("decode", whole, {}, rate(1)));
  CHECK_FALSE(ceiling_of("decode", whole, kMachine, rate(0)));
}

TEST_CASE("the buffer passes the cache by far and stays in bounds") {
  CHECK(buffer_for_cache({}) == 256ull << 20);
  CHECK(buffer_for_cache(1 << 20) == 64ull << 20);
  CHECK(buffer_for_cache(64ull << 20) == 256ull << 20);
  CHECK(buffer_for_cache(1ull << 40) == 1ull << 30);
}

TEST_CASE("the kernels compute what they claim to") {
  std::vector<float> values(1003);
  std::iota(values.begin(), values.end(), 1.0f);
  CHECK(read_and_sum(values) == 1003 * 1004 / 2);
  // Each chain x -> x / 2 + 1 / 2 ends at 1.
  const double lanes = static_cast<double>(operations_per_round()) / 2;
  CHECK(multiply_add(200) == doctest::Approx(lanes));
}

TEST_CASE("this machine reads more than 100 MB/s and multiplies more than 100 million times") {
  const auto found = measure_ceilings(2, 0.05, 32ull << 20);
  REQUIRE(found);
  CHECK(found->bytes_per_second > 1e8);
  CHECK(found->operations_per_second > 1e8);
  CHECK(found->threads == 2);
}
