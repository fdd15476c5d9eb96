// One direction of a plot: values to pixels, and the values worth a label.
#pragma once

#include <string>
#include <vector>

namespace strop {

struct Axis {
  double low = 0, high = 1;   // values at the ends
  double begin = 0, end = 1;  // pixels at the ends
  bool logarithmic = false;

  double at(double value) const;  // pixels; values beyond an end are put on it
};

struct Tick {
  double value = 0;
  std::string label;
};

// Ends on round values around [low, high]; decades when logarithmic.
Axis axis_around(double low, double high, double begin, double end, bool logarithmic);
std::vector<Tick> ticks(const Axis& axis);

}  // namespace strop
