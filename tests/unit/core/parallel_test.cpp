#include "core/parallel.h"

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

using namespace strop;

TEST_CASE("every piece is done once, however many there are") {
  for (const std::size_t count : {0u, 1u, 7u, 8u, 9u, 31u, 1000u}) {
    CAPTURE(count);
    std::vector<int> done(count);
    for_each_parallel(count, [&](std::size_t i) { ++done[i]; });
    CHECK(done == std::vector<int>(count, 1));
  }
}

TEST_CASE("what a piece throws arrives when all threads have ended") {
  std::atomic<int> running = 0;
  const auto use = [&](std::size_t i) {
    ++running;
    --running;
    if (i == 99) throw std::runtime_error("the last");
  };
  CHECK_THROWS_WITH_AS(for_each_parallel(100, use), "the last", std::runtime_error);
  CHECK(running == 0);
}
