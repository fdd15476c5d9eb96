// What follows from the measurement, in plain words: what to ship and what it costs, how to run it,
// what to watch.
#pragma once

#include <vector>

#include "strop/report.h"

namespace strop {

// Uses figures of the report only; a threshold that was not measured is said to be missing, never
// invented.
std::vector<Recommendation> recommendations(const Report& report);

}  // namespace strop
