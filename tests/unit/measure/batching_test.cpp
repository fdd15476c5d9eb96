#include "measure/batching.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace strop;
using namespace strop::measure;

namespace {

// An engine that takes `start` for every inference and `each` for a sample.
Result<Batching> searched(double start, double each, std::uint32_t most) {
  return best_batch([=](std::uint32_t batch) -> Result<double> { return start + each * batch; },
                    most);
}

}  // namespace

TEST_CASE("the batch doubles while that gives more than 5 % more") {
  const auto found =
      searched(0.008, 0.001, 256);  // 16: 667/s, 32: 800, 64: 889, 128: 941, 256: 970
  REQUIRE(found);
  CHECK(found->tried[found->best].size == 128);  // 5.9 % more than 64; 256 gives 3 % more
  CHECK(found->tried.back().size == 256);
  CHECK(found->ended_by.find("at most 5 % more") != std::string::npos);
  const auto metrics = throughput_metrics(*found);
  REQUIRE(metrics.size() == 10);  // the best, and each of nine
  const Metric& metric = metrics.front();
  CHECK(metric.metric == "throughput");
  CHECK(metrics.back().metric == "batch_throughput");
  CHECK(metrics.back().context.batch == 256u);
  CHECK(metric.value == doctest::Approx(128 / 0.136));
  CHECK(metric.context.batch == 128u);
  CHECK(metric.unit == "samples/s");
}

TEST_CASE("an engine that gains nothing keeps batch 1") {
  const auto found = searched(0, 0.001, 256);
  REQUIRE(found);
  CHECK(found->tried[found->best].size == 1);
  CHECK(found->tried.back().size == 2);
}

TEST_CASE("what fits, what takes too long and what fails end the search") {
  const auto fits = searched(0.1, 0.0001, 4);
  CHECK(fits->tried[fits->best].size == 4);
  CHECK(fits->ended_by.find("at most 4 fits") != std::string::npos);
  const auto slow = searched(1.5, 0.001, 256);
  CHECK(slow->tried[slow->best].size == 1);
  CHECK(slow->ended_by.find("longer") != std::string::npos);
  const auto failing = best_batch(
      [](std::uint32_t batch) -> Result<double> {
        if (batch > 2) return Error{ErrorCode::out_of_memory, "no memory for it"};
        return 0.01;
      },
      256);
  REQUIRE(failing);
  CHECK(failing->tried[failing->best].size == 2);
  CHECK(failing->ended_by == "no memory for it");
  const auto never = best_batch(
      [](std::uint32_t) -> Result<double> {
        return Error{ErrorCode::crashed, "gone"};
      },
      256);
  REQUIRE_FALSE(never);
  CHECK(never.error().code == ErrorCode::crashed);
  const auto stopped = best_batch(
      [](std::uint32_t batch) -> Result<double> {
        if (batch > 1) return Error{ErrorCode::cancelled, "interrupted"};
        return 0.01;
      },
      256);
  CHECK(stopped.error().code == ErrorCode::cancelled);
  CHECK_FALSE(best_batch([](std::uint32_t) -> Result<double> { return 0.0; }, 8));
}
