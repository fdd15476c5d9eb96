#include "core/reservoir.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

using namespace strop;

namespace {

std::vector<std::string> names(const Reservoir& reservoir) {
  std::vector<std::string> all;
  for (const Drawn& item : reservoir.items()) all.push_back(item.name());
  return all;
}

}  // namespace

TEST_CASE("the same seed draws the same, in whatever order the files come") {
  std::vector<std::string> files;
  for (int i = 0; i < 500; ++i) files.push_back("f" + std::to_string(i) + ".png");
  Reservoir forward(20, 7), backward(20, 7), other(20, 8);
  for (const std::string& file : files) forward.offer(file), other.offer(file);
  std::reverse(files.begin(), files.end());
  for (const std::string& file : files) backward.offer(file);
  CHECK(names(forward) == names(backward));
  CHECK(names(forward) != names(other));
  CHECK(forward.items().size() == 20);
  CHECK(forward.offered() == 500);
}

TEST_CASE("rows of a file and files are drawn alike, none twice") {
  Reservoir reservoir(64, 3);
  reservoir.offer_rows("a.npz", 1'000'000);
  reservoir.offer_rows("b.npz", 3);
  CHECK(reservoir.offered() == 1'000'003);
  const auto drawn = names(reservoir);
  CHECK(std::set(drawn.begin(), drawn.end()).size() == 64);
  for (const std::string& name : drawn) CHECK(name.find('#') != std::string::npos);
}

TEST_CASE("each is drawn as often as any other") {
  std::map<std::string, int> times;
  constexpr int seeds = 2000;
  for (int seed = 0; seed < seeds; ++seed) {
    Reservoir reservoir(5, static_cast<std::uint64_t>(seed));
    reservoir.offer_rows("a.npz", 20);
    for (const std::string& name : names(reservoir)) ++times[name];
  }
  CHECK(times.size() == 20);
  // 500 expected, 19.4 the standard deviation: five of them.
  for (const auto& [name, count] : times) {
    CAPTURE(name);
    CHECK(count > 403);
    CHECK(count < 597);
  }
}

TEST_CASE("a quarter at most calibrates, and every sample is of use") {
  for (std::uint64_t available = 0; available < 3000; ++available) {
    const Shares most = shares(available, 128, 512);
    CHECK(most.calibration <= available / 4);
    CHECK(most.calibration <= 128);
    CHECK(most.evaluation <= 512);
    CHECK(most.calibration + most.evaluation ==
          std::min<std::uint64_t>(available, most.calibration + 512));
    if (available > 0) CHECK(most.evaluation > 0);
  }
}
