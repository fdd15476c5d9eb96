#include "measure/energy.h"

#include <doctest/doctest.h>

#include "support/temporary_folder.h"

using namespace strop;
using namespace strop::measure;

namespace {

// A made tree of /sys.
struct Sys {
  test::TemporaryFolder folder;
  void package(const std::string& zone, const std::string& name, const std::string& count) {
    folder.write("class/powercap/" + zone + "/name", name + "\n");
    folder.write("class/powercap/" + zone + "/energy_uj", count);
    folder.write("class/powercap/" + zone + "/max_energy_range_uj", "1000000\n");
  }
  void battery(const std::string& status) {
    folder.write("class/power_supply/BAT0/type", "Battery\n");
    folder.write("class/power_supply/BAT0/status", status + "\n");
  }
};

}  // namespace

TEST_CASE("every package counts once, its parts and the second way to it do not") {
  Sys sys;
  sys.package("intel-rapl:0", "package-0", "900000\n");
  sys.package("intel-rapl:0:0", "core", "5\n");
  sys.package("intel-rapl:1", "package-1", "100\n");
  sys.package("intel-rapl-mmio:0", "package-0", "900000\n");
  const auto counters = find_counters(sys.folder.path());
  REQUIRE(counters);
  REQUIRE(counters->size() == 2);
  CHECK((*counters)[0].name == "package-0");
  CHECK((*counters)[1].wraps_after == 1000000u);
  const auto before = read_counters(*counters);
  REQUIRE(before);
  sys.package("intel-rapl:0", "package-0", "100000\n");  // wrapped
  sys.package("intel-rapl:1", "package-1", "600100\n");
  CHECK(joules_between(*counters, *before, *read_counters(*counters)) ==
        doctest::Approx(0.2 + 0.6).epsilon(1e-4));
}

TEST_CASE("a battery that discharges is a counter that falls") {
  Sys sys;
  sys.battery("Discharging");
  sys.folder.write("class/power_supply/BAT0/energy_now", "50000000\n");
  const auto counters = find_counters(sys.folder.path());
  REQUIRE(counters);
  const auto before = read_counters(*counters);
  sys.folder.write("class/power_supply/BAT0/energy_now", "49990000\n");
  CHECK(joules_between(*counters, *before, *read_counters(*counters)) == doctest::Approx(36));
}

TEST_CASE("a battery that tells its charge needs its voltage") {
  Sys sys;
  sys.battery("Discharging");
  sys.folder.write("class/power_supply/BAT0/charge_now", "1000000\n");
  CHECK_FALSE(find_counters(sys.folder.path()));
  sys.folder.write("class/power_supply/BAT0/voltage_now", "12000000\n");
  const auto counters = find_counters(sys.folder.path());
  REQUIRE(counters);
  CHECK((*counters)[0].joules_per_count == doctest::Approx(0.0432));
}

TEST_CASE("where there is no counter the reason says so") {
  Sys sys;
  CHECK(find_counters(sys.folder.path()).error().message ==
        "not available: the system has no RAPL counter and no battery");
  sys.battery("Charging");
  CHECK(find_counters(sys.folder.path()).error().message.find("does not discharge") !=
        std::string::npos);
  sys.package("intel-rapl:0", "package-0", "not a number\n");
  CHECK(find_counters(sys.folder.path()).error().message.find("cannot be read") !=
        std::string::npos);
}

TEST_CASE("what a machine takes when idle is no token's") {
  const std::vector<EnergyWindow> windows{{10, 60, 2, 100}, {10, 61, 2, 100}, {10, 59, 2, 100}};
  const auto estimate = joules_per_token(windows);
  REQUIRE(estimate);
  CHECK(estimate->value == doctest::Approx(0.4));
  CHECK(estimate->interval.low <= 0.39 + 1e-9);
  CHECK(estimate->interval.high >= 0.41 - 1e-9);
  CHECK_FALSE(joules_per_token(std::span(windows).first(1)));
  CHECK_FALSE(joules_per_token({}));
}
