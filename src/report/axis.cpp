#include "report/axis.h"

#include <algorithm>
#include <cmath>

#include "report/figures.h"

namespace strop {
namespace {

// 1, 2 or 5 times a power of ten, about a fifth of the range.
double round_step(double range) {
  const double rough = range / 5;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (rough <= factor * power) return factor * power;
  return 10 * power;
}

std::string tick_label(double value, double step) {
  return fixed(value, step >= 1 ? 0 : static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
}

// Decades alone are too few where the axis spans one or two of them.
std::vector<double> factors(const Axis& axis) {
  return std::log10(axis.high / axis.low) > 2.5 ? std::vector<double>{1}
                                                : std::vector<double>{1, 2, 5};
}

}  // namespace

double Axis::at(double value) const {
  const double share = logarithmic ? std::log(std::max(value, low) / low) / std::log(high / low)
                                   : (value - low) / (high - low);
  return begin + std::clamp(share, 0.0, 1.0) * (end - begin);
}

Axis axis_around(double low, double high, double begin, double end, bool logarithmic) {
  if (logarithmic) {
    const double first = std::pow(10, std::floor(std::log10(low)));
    const double last = std::pow(10, std::ceil(std::log10(high)));
    return {first, last > first ? last : first * 10, begin, end, true};
  }
  if (!(high > low)) high = low + std::max(1.0, std::abs(low));
  const double step = round_step(high - low);
  return {std::floor(low / step) * step, std::ceil(high / step) * step, begin, end, false};
}

std::vector<Tick> ticks(const Axis& axis) {
  std::vector<Tick> out;
  if (!axis.logarithmic) {
    const double step = round_step(axis.high - axis.low);
    for (int i = 0; axis.low + i * step <= axis.high + step / 2; ++i)
      out.push_back({axis.low + i * step, tick_label(axis.low + i * step, step)});
    return out;
  }
  for (double decade = axis.low; decade <= axis.high * 1.001; decade *= 10)
    for (const double factor : factors(axis))
      if (decade * factor <= axis.high * 1.001)
        out.push_back({decade * factor, tick_label(decade * factor, decade)});
  return out;
}

}  // namespace strop
