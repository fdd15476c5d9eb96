// Does something grow over time? For soaks: memory that leaks, latency that drifts.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "measure/statistics.h"

namespace strop::measure {

struct Reading {
  double at = 0;  // s
  double value = 0;
};

// How much the value grows from the first reading to the last, as a share of its median: the median
// slope of all pairs (Theil and Sen), times the time. Outliers do not move it. Interval:
// neighbouring readings depend on each other, so runs of them are drawn. Nothing for fewer than
// eight readings, or when their median is not positive. In order of time.
std::optional<Estimate> growth(std::span<const Reading> readings,
                               const Resampling& resampling = {.resamples = 400});

}  // namespace strop::measure
