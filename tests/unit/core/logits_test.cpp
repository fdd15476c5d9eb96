#include "core/logits.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

using namespace strop;

TEST_CASE("the extremes of a row are those of its values, its leader the first of the highest") {
  std::mt19937 random(1);
  for (std::size_t width : {1, 2, 15, 255, 256, 257, 1000, 4099}) {
    CAPTURE(width);
    std::vector<float> row(width);
    for (int kinds : {1, 3, 1000}) {  // few kinds of values: ties
      for (float& value : row)
        value = static_cast<float>(static_cast<int>(random() % static_cast<unsigned>(kinds)) - 2);
      const RowExtremes found = extremes_of(row);
      const auto [lowest, highest] = std::minmax_element(row.begin(), row.end());
      CHECK(found.finite);
      CHECK(found.lowest == *lowest);
      CHECK(found.highest == *highest);
      CHECK(found.leader == std::max_element(row.begin(), row.end()) - row.begin());
    }
  }
}

TEST_CASE("a value that is not finite is found wherever it stands") {
  using Limits = std::numeric_limits<float>;
  std::vector<float> row(700, 1.0f);
  CHECK(all_finite(row));
  for (std::size_t place : {0, 1, 255, 256, 300, 511, 699})
    for (float value : {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity()}) {
      row[place] = value;
      CHECK_FALSE(all_finite(row));
      CHECK_FALSE(extremes_of(row).finite);
      row[place] = 1;
    }
  row[5] = Limits::max(), row[6] = Limits::lowest();
  CHECK(all_finite(row));
  CHECK(all_finite({}));
}
