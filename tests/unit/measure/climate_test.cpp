#include "measure/climate.h"

#include <doctest/doctest.h>

#include <array>

#include "support/temporary_folder.h"

using namespace strop;
using namespace strop::measure;

TEST_CASE("clock, temperature and throttling are read from the system's tree") {
  const test::TemporaryFolder sys;
  CHECK(read_climate(sys.path()) == Climate{});
  sys.write("devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "3000000\n");
  sys.write("devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "2000000\n");
  sys.write("devices/system/cpu/cpufreq/scaling_cur_freq", "1\n");  // no core
  sys.write("devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "4\n");
  sys.write("devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "2\n");
  sys.write("class/thermal/thermal_zone0/temp", "45000\n");
  sys.write("class/thermal/thermal_zone1/temp", "61500\n");
  sys.write("class/thermal/thermal_zone2/temp", "-274000\n");
  sys.write("class/thermal/thermal_zone3/temp", "hot\n");
  CHECK(read_climate(sys.path()) == Climate{2500, 61.5, 6});
}

TEST_CASE("the conditions hold the mean clock, how far it fell, and the highest temperature") {
  const std::array<Climate, 3> readings{Climate{3000, 50.0, 10}, Climate{2400, 80.0, 10},
                                        Climate{2700, 70.0, 13}};
  Conditions conditions;
  note(readings, conditions);
  CHECK(*conditions.frequency_mhz == doctest::Approx(2700));
  CHECK(*conditions.frequency_drop == doctest::Approx(0.2));
  CHECK(*conditions.temperature_c == 80);
  CHECK(*conditions.throttle_events == 3);
  CHECK(climate_warning(conditions).find("throttled itself 3 times") != std::string::npos);
  conditions.throttle_events = 0;
  CHECK(climate_warning(conditions).find("fell by 20 %") != std::string::npos);
}

TEST_CASE("what the system does not tell stays absent, and warns of nothing") {
  Conditions conditions;
  note(std::array<Climate, 2>{}, conditions);
  CHECK(conditions == Conditions{});
  CHECK(climate_warning(conditions).empty());
}
