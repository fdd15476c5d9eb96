#include "measure/load.h"

#include <doctest/doctest.h>

using namespace strop::measure;

TEST_CASE("the first line of the system's statistics is CPU time by kind") {
  const auto times = parse_cpu_times("cpu  100 20 30 400 50 6 4 7 0 0\ncpu0 1 2 3\n", 10);
  REQUIRE(times);
  CHECK(*times == CpuTimes{16, 45, 0.7});
}

TEST_CASE("anything else is not CPU time") {
  for (const char* text :
       {"", "cpu", "cpu0 1 2 3 4 5 6 7 8", "cpu 1 2 3 x 5 6 7 8", "cpu 1 2 3 4 5 6 7"})
    CHECK_FALSE(parse_cpu_times(text, 100));
  CHECK_FALSE(parse_cpu_times("cpu 1 2 3 4 5 6 7 8", 0));
}

TEST_CASE("foreign load is what others used, not what we used") {
  const LoadReading before{10, {100, 50, 1}, 30};
  const LoadReading after{14, {107, 50, 2}, 35};
  CHECK(foreign_load(before, after) == ForeignLoad{0.5, 0.125});
}

TEST_CASE("foreign load is never negative, whatever the clocks say") {
  const LoadReading before{10, {100, 50, 1}, 30};
  CHECK(foreign_load(before, before) == ForeignLoad{});
  CHECK(foreign_load(before, {12, {101, 53, 1}, 32}).cores == 0);
  CHECK(foreign_load(before, {12, {101, 53, 1}, 10}).cores == 0.5);
}

TEST_CASE("this machine can be read") {
  const auto reading = machine_load()->read();
  REQUIRE(reading);
  CHECK(reading->machine.busy > 0);
}
