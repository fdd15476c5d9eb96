#include "strop/measurement.h"

namespace strop {

const Metric* find(const Measurement& measurement, const std::string& metric,
                   const MetricContext& context) {
  for (const Metric& candidate : measurement.metrics) {
    if (candidate.metric != metric) continue;
    const bool any_context = context == MetricContext{};
    const bool of_all = !candidate.context.position_begin && !candidate.context.output &&
                        candidate.context.domain.empty();
    if (any_context ? of_all : candidate.context == context) return &candidate;
  }
  return nullptr;
}

std::string reason_not_measured(const Measurement& measurement, std::string_view metric) {
  for (const Unmeasured& one : measurement.not_measured) {
    if (one.metric == metric) return one.reason;
  }
  return {};
}

}  // namespace strop
