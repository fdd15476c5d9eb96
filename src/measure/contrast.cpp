#include "measure/contrast.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/units.h"
#include "measure/random.h"
#include "strop/result.h"

namespace strop::measure {
namespace {

constexpr double kClaim = 3;  // a control's half-width goes so often into what is claimed

bool contains_one(const Interval& interval) { return interval.low <= 1 && 1 <= interval.high; }

// Whether there is enough of a time to tell anything.
bool tells(const RatioEvidence& evidence) {
  return !evidence.timed || (evidence.pairs >= kLeastPairs && !evidence.disturbed);
}

// `claim` on the logarithmic scale.
bool supported(const RatioEvidence& evidence, double claim) {
  if (!evidence.control) return !evidence.timed;
  return contains_one(*evidence.control) && log_half_width(*evidence.control) <= claim / kClaim;
}

double median_of_draw(Random& random, std::span<const double> values, std::vector<double>& drawn) {
  drawn.resize(values.size());
  for (double& value : drawn) value = values[random.below(values.size())];
  return median(drawn);
}

std::string percent(double ratio) { return number_text(std::abs(ratio - 1) * 100) + " %"; }

std::string range(const Interval& interval) {
  return str(number_text(interval.low), " to ", number_text(interval.high));
}

std::string why_undecided(const RatioEvidence& evidence, double margin) {
  if (evidence.timed && evidence.pairs < kLeastPairs)
    return str("an interval at 95 % needs ", kLeastPairs, " pairs, and there were ",
               evidence.pairs);
  if (evidence.timed && evidence.disturbed)
    return "others used the machine meanwhile, and too few rounds were without them";
  if (evidence.timed && !evidence.control) return "there is no control, the same thing twice";
  if (evidence.control && !contains_one(*evidence.control))
    return str("the control, the same thing twice, differs from itself: ",
               range(*evidence.control));
  const Interval all = evidence.interval.value_or(Interval{evidence.ratio, evidence.ratio});
  if (contains_one(all) && (all.high > 1 + margin || all.low < 1 / (1 + margin)))
    return "the interval reaches beyond the margin and has 1 on it";
  if (evidence.control)
    return str("the control, ", range(*evidence.control), ", is too wide for this claim");
  return "the interval does not tell";
}

}  // namespace

double log_half_width(const Interval& interval) {
  return (std::log(interval.high) - std::log(interval.low)) / 2;
}

Finding judge(const RatioEvidence& evidence, Better better, double margin) {
  STROP_ASSERT(evidence.ratio > 0 && margin > 0, "ratio ", evidence.ratio, ", margin ", margin);
  if (!tells(evidence)) return Finding::undecided;
  const Interval all = evidence.interval.value_or(Interval{evidence.ratio, evidence.ratio});
  const double low = std::log(all.low), high = std::log(all.high), edge = std::log1p(margin);
  if (low >= -edge && high <= edge)
    return supported(evidence, edge) ? Finding::no_difference : Finding::undecided;
  if (low <= 0 && high >= 0) return Finding::undecided;
  if (!supported(evidence, std::abs(std::log(evidence.ratio)))) return Finding::undecided;
  const bool smaller = high < 0;
  return smaller == (better == Better::lower) ? Finding::better : Finding::worse;
}

std::string reason_for(Finding finding, const RatioEvidence& evidence, Better better, double margin,
                       const std::string& what) {
  const std::string seen = str(what, " is ", number_text(evidence.ratio), " of the first's",
                               evidence.interval ? " (" + range(*evidence.interval) + ")" : "");
  switch (finding) {
    case Finding::better:
    case Finding::worse:
      return str(seen, ": ", percent(evidence.ratio), (evidence.ratio < 1) ? " less" : " more",
                 ", which is ", finding == Finding::better ? "better" : "worse",
                 better == Better::lower ? " (less is better)" : " (more is better)");
    case Finding::no_difference:
      return str(seen, ": within ", number_text(margin * 100), " %");
    default:
      return str(seen, ": cannot be told, because ", why_undecided(evidence, margin));
  }
}

Finding judge_distance(double value, const std::optional<Interval>& interval, double floor) {
  const Interval all = interval.value_or(Interval{value, value});
  if (all.high <= floor) return Finding::no_difference;
  return all.low > floor ? Finding::differs : Finding::undecided;
}

Estimate unpaired_ratio(std::span<const double> numerator, std::span<const double> denominator,
                        const Resampling& resampling) {
  STROP_ASSERT(!numerator.empty() && !denominator.empty(), "a ratio of no samples");
  Random random(resampling.seed);
  std::vector<double> drawn, logs(resampling.resamples);
  for (double& one : logs) {
    const double above = median_of_draw(random, numerator, drawn);
    one = std::log(above / median_of_draw(random, denominator, drawn));
  }
  const double tail = (1 - resampling.confidence) / 2;
  Interval interval{std::exp(quantile(logs, tail)), std::exp(quantile(logs, 1 - tail)),
                    resampling.confidence};
  const double value = median(numerator) / median(denominator);
  // So few that their order says nothing of a median: draws repeat them, and look too sure.
  if (!quantile_interval(numerator, 0.5, resampling.confidence) ||
      !quantile_interval(denominator, 0.5, resampling.confidence)) {
    const auto [least, most] = std::minmax_element(numerator.begin(), numerator.end());
    const auto [fewest, largest] = std::minmax_element(denominator.begin(), denominator.end());
    interval.low = std::min(interval.low, *least / *largest);
    interval.high = std::max(interval.high, *most / *fewest);
  }
  return {value, interval};
}

Finding overall(std::span<const Difference> differences) {
  constexpr std::array kRanked{Finding::worse, Finding::undecided, Finding::better};
  for (Finding finding : kRanked) {
    for (const Difference& difference : differences)
      if (difference.finding == finding) return finding;
  }
  for (const Difference& difference : differences)
    if (difference.finding != Finding::not_measured) return Finding::no_difference;
  return Finding::not_measured;
}

}  // namespace strop::measure
