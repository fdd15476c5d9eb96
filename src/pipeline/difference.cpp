#include "pipeline/difference.h"

namespace strop::pipeline {

Difference judged(const char* metric, const char* unit, double first, double second,
                  const measure::RatioEvidence& evidence, measure::Better better, double margin,
                  std::uint32_t pairs, const std::string& what) {
  const Finding finding = measure::judge(evidence, better, margin);
  return {.metric = metric,
          .unit = unit,
          .first = first,
          .second = second,
          .ratio = evidence.ratio,
          .interval = evidence.interval,
          .control = evidence.control,
          .pairs = pairs,
          .margin = margin,
          .finding = finding,
          .reason = measure::reason_for(finding, evidence, better, margin, what)};
}

Difference apart(const Metric& distance, double same, const std::string& reason) {
  return {.metric = distance.metric,
          .unit = distance.unit,
          .second = distance.value,
          .interval = distance.interval,
          .pairs = distance.samples,
          .margin = same,
          .finding = measure::judge_distance(distance.value, distance.interval, same),
          .reason = reason};
}

Difference unmeasured(const char* metric, const std::string& why) {
  return {.metric = metric, .finding = Finding::not_measured, .reason = str("not measured: ", why)};
}

Columns columns_of(const measure::Timing& timing,
                   const std::function<double(const measure::Request&)>& value) {
  Columns columns{.stopped = true, .disturbed = timing.disturbed > 0 && !timing.clean};
  const auto fill = [&](std::vector<double>& out, std::size_t index) {
    for (const measure::Request& request : timing.series.at(index).requests)
      out.push_back(value(request));
  };
  fill(columns.first, 0);
  fill(columns.second, 1);
  fill(columns.again, 2);
  return columns;
}

Difference timed(const char* metric, const char* unit, const Columns& columns,
                 measure::Better better, double margin, const std::string& what) {
  const auto over_first = [&](const std::vector<double>& column) {
    return columns.stopped ? measure::stopped_ratio(column, columns.first)
                           : measure::paired_ratio(column, columns.first);
  };
  const measure::Estimate ratio = over_first(columns.second);
  const auto pairs = static_cast<std::uint32_t>(columns.first.size());
  return judged(metric, unit, measure::median(columns.first), measure::median(columns.second),
                {.ratio = ratio.value,
                 .interval = ratio.interval,
                 .control = over_first(columns.again).interval,
                 .timed = true,
                 .pairs = pairs,
                 .disturbed = columns.disturbed},
                better, margin, pairs, what);
}

}  // namespace strop::pipeline
