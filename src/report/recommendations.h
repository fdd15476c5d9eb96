// What follows from the measurement, in plain words: what to ship and what it costs, how to run it,
// what to watch.
#pragma once

#include <vector>

#include "strop/report.h"

namespace strop {

// Uses figures of the report only; a threshold that was not measured is said to be missing, never
// invented.
std::vector<Recommendation> recommendations(const Report& report);

// The same thresholds for programs: of every figure that wording() has watched and that was
// measured of the recommended artifact; none without one.
std::vector<Alert> alerts(const Report& report);

}  // namespace strop
