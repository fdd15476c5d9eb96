// Rows of a contrast: a figure of the first artifact against the second's, judged.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "measure/contrast.h"
#include "measure/speed.h"

namespace strop::pipeline {

// Answers that are right so much less often still count as the same.
inline constexpr double kAccuracyMargin = 0.005;

// Of times, sizes or rates of success. what: "request time".
Difference judged(const char* metric, const char* unit, double first, double second,
                  const measure::RatioEvidence& evidence, measure::Better better, double margin,
                  std::uint32_t pairs, const std::string& what);

// How far the second's answers are from the first's, which does not say who is right: up to `same`
// they count as the same.
Difference apart(const Metric& distance, double same, const std::string& reason);

Difference unmeasured(const char* metric, const std::string& why);

// Columns of one table: values of the first, the second, and the first again, row by row.
struct Columns {
  std::vector<double> first, second, again;
  bool stopped = false;    // the rounds ended once the interval was narrow
  bool disturbed = false;  // by others, in too many rounds
};

// One value of each request of the first three contestants.
Columns columns_of(const measure::Timing& timing,
                   const std::function<double(const measure::Request&)>& value);

// The medians of both, judged by the ratios of the rows.
Difference timed(const char* metric, const char* unit, const Columns& columns,
                 measure::Better better, double margin, const std::string& what);

}  // namespace strop::pipeline
