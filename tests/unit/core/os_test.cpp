// What the system tells of processes.
#include "core/os.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctime>

namespace {

using namespace strop;

double own_cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace

TEST_CASE("the CPU time of a process has that of children that ended in it") {
  constexpr double kBurnt = 0.2;
  const double before = os::cpu_seconds_of(::getpid());
  const pid_t child = ::fork();
  if (child == 0) {
    while (own_cpu_seconds() < kBurnt) {
    }
    ::_exit(0);
  }
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  CHECK(os::cpu_seconds_of(::getpid()) - before >= kBurnt - 0.05);  // counted in ticks of 10 ms
}
