#include "measure/trend.h"

#include <algorithm>
#include <cmath>

#include "measure/random.h"

namespace strop::measure {
namespace {

constexpr std::size_t kLeast = 8;
constexpr std::size_t kMost = 240;  // readings: pairs grow with their square

double median_slope(std::span<const Reading> readings, std::vector<double>& slopes) {
  slopes.clear();
  for (std::size_t i = 0; i < readings.size(); ++i)
    for (std::size_t j = i + 1; j < readings.size(); ++j)
      if (readings[j].at != readings[i].at)
        slopes.push_back((readings[j].value - readings[i].value) /
                         (readings[j].at - readings[i].at));
  if (slopes.empty()) return 0;
  const auto middle = slopes.begin() + static_cast<std::ptrdiff_t>(slopes.size() / 2);
  std::nth_element(slopes.begin(), middle, slopes.end());
  return *middle;
}

// Medians of neighbours, so that there are no more than kMost.
std::vector<Reading> thinned(std::span<const Reading> readings) {
  const std::size_t width = (readings.size() + kMost - 1) / kMost;
  std::vector<Reading> out;
  for (std::size_t begin = 0; begin < readings.size(); begin += width) {
    const auto part = readings.subspan(begin, std::min(width, readings.size() - begin));
    std::vector<double> values;
    for (const Reading& reading : part) values.push_back(reading.value);
    out.push_back({part[part.size() / 2].at, median(values)});
  }
  return out;
}

std::size_t run_length(std::size_t readings) {
  return static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(readings))));
}

// Around the fitted line, in runs of neighbours: what is drawn keeps how they depend on each other.
std::vector<Reading> redrawn(std::span<const Reading> readings, double slope, Random& random) {
  const std::size_t run = run_length(readings.size());
  std::vector<Reading> out(readings.begin(), readings.end());
  const double origin = readings.front().at;
  for (std::size_t begin = 0; begin < out.size(); begin += run) {
    const std::size_t from = random.below(readings.size() - run + 1);
    for (std::size_t i = 0; i < run && begin + i < out.size(); ++i) {
      const Reading& drawn = readings[from + i];
      out[begin + i].value =
          slope * (out[begin + i].at - origin) + drawn.value - slope * (drawn.at - origin);
    }
  }
  return out;
}

}  // namespace

std::optional<Estimate> growth(std::span<const Reading> all, const Resampling& resampling) {
  if (all.size() < kLeast) return {};
  const std::vector<Reading> readings = thinned(all);
  std::vector<double> values, slopes;
  for (const Reading& reading : readings) values.push_back(reading.value);
  const double centre = median(values);
  const double seconds = readings.back().at - readings.front().at;
  if (!(centre > 0) || !(seconds > 0)) return {};
  const double slope = median_slope(readings, slopes);
  const double scale = seconds / centre;
  Random random(resampling.seed);
  std::vector<double> drawn(resampling.resamples);
  for (double& one : drawn) one = median_slope(redrawn(readings, slope, random), slopes) * scale;
  const std::size_t runs = readings.size() / run_length(readings.size());
  Interval interval = percentile_interval(std::move(drawn), runs, resampling.confidence);
  interval.low = std::min(interval.low, slope * scale);
  interval.high = std::max(interval.high, slope * scale);
  return Estimate{slope * scale, interval};
}

}  // namespace strop::measure
