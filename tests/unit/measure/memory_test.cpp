#include "measure/memory.h"

#include <doctest/doctest.h>

using namespace strop::measure;

TEST_CASE("the peak is one moment, not the sum of the largest parts") {
  const MemorySample loading{.anonymous = 10, .shared = 1, .file = 150};
  const MemorySample repacked{.anonymous = 185, .shared = 1, .file = 149};
  const MemorySample running{.anonymous = 200, .shared = 1, .file = 20};
  const MemorySample samples[] = {loading, repacked, running};
  CHECK(peak_of(samples) == repacked);
  CHECK_FALSE(peak_of({}));
}

TEST_CASE("memory is listed with its parts, which add up") {
  const MemorySample peaks[] = {{.anonymous = 185, .shared = 1, .file = 149},
                                {.anonymous = 180, .file = 149}};
  const auto metrics = memory_metrics(peaks);
  REQUIRE(metrics.size() == 4);
  CHECK(metrics[0].metric == "peak_memory");
  CHECK(metrics[0].value == 335);
  CHECK(metrics[0].samples == 2);
  CHECK(metrics[1].value + metrics[2].value + metrics[3].value == metrics[0].value);
  CHECK(memory_metrics({}).empty());
}
