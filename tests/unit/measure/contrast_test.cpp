#include "measure/contrast.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "measure/random.h"

using namespace strop;
using namespace strop::measure;

namespace {

RatioEvidence timed(double ratio, double low, double high, double control = 0.005) {
  return {.ratio = ratio,
          .interval = Interval{low, high},
          .control = Interval{1 - control, 1 + control},
          .timed = true,
          .pairs = 20};
}

Finding mirrored(Finding finding) {
  if (finding == Finding::better) return Finding::worse;
  return finding == Finding::worse ? Finding::better : finding;
}

RatioEvidence swapped(const RatioEvidence& evidence) {
  RatioEvidence out = evidence;
  out.ratio = 1 / evidence.ratio;
  if (evidence.interval)
    out.interval = Interval{1 / evidence.interval->high, 1 / evidence.interval->low};
  if (evidence.control)
    out.control = Interval{1 / evidence.control->high, 1 / evidence.control->low};
  return out;
}

}  // namespace

TEST_CASE("a ratio is judged by its whole interval") {
  CHECK(judge(timed(0.5, 0.48, 0.52), Better::lower, 0.05) == Finding::better);
  CHECK(judge(timed(0.5, 0.48, 0.52), Better::higher, 0.05) == Finding::worse);
  CHECK(judge(timed(1.01, 0.99, 1.03), Better::lower, 0.05) == Finding::no_difference);
  CHECK(judge(timed(1.2, 0.9, 1.5), Better::lower, 0.05) == Finding::undecided);
  CHECK(judge(timed(1.1, 1.02, 1.2), Better::lower, 0.05) == Finding::worse);
  CHECK(judge(timed(1.02, 1.01, 1.03), Better::lower, 0.05) == Finding::no_difference);
}

TEST_CASE("a time without a control that supports it decides nothing") {
  RatioEvidence evidence = timed(0.5, 0.48, 0.52);
  evidence.control.reset();
  CHECK(judge(evidence, Better::lower, 0.05) == Finding::undecided);
  CHECK(judge(timed(0.5, 0.48, 0.52, 0.4), Better::lower, 0.05) == Finding::undecided);
  CHECK(judge(timed(1.0, 0.99, 1.01, 0.03), Better::lower, 0.05) == Finding::undecided);
  evidence.control = Interval{1.01, 1.02};
  CHECK(judge(evidence, Better::lower, 0.05) == Finding::undecided);
  CHECK(reason_for(Finding::undecided, evidence, Better::lower, 0.05, "request time")
            .find("differs from itself") != std::string::npos);
}

TEST_CASE("a time from fewer than six pairs decides nothing, however clear it looks") {
  RatioEvidence evidence = timed(0.5, 0.48, 0.52);
  for (std::uint32_t pairs = 0; pairs < kLeastPairs; ++pairs) {
    evidence.pairs = pairs;
    CHECK(judge(evidence, Better::lower, 0.05) == Finding::undecided);
  }
  CHECK(reason_for(Finding::undecided, evidence, Better::lower, 0.05, "load time")
            .find("needs 6 pairs, and there were 5") != std::string::npos);
  evidence.pairs = kLeastPairs;
  CHECK(judge(evidence, Better::lower, 0.05) == Finding::better);
}

TEST_CASE("a time that others disturbed decides nothing, neither a difference nor none") {
  for (RatioEvidence evidence : {timed(0.5, 0.48, 0.52), timed(1, 0.99, 1.01)}) {
    evidence.disturbed = true;
    CHECK(judge(evidence, Better::lower, 0.05) == Finding::undecided);
    CHECK(reason_for(Finding::undecided, evidence, Better::lower, 0.05, "request time")
              .find("others used the machine") != std::string::npos);
  }
}

TEST_CASE("sizes are exact and need no control") {
  CHECK(judge({.ratio = 0.5}, Better::lower, 0.05) == Finding::better);
  CHECK(judge({.ratio = 1.04}, Better::lower, 0.05) == Finding::no_difference);
  CHECK(judge({.ratio = 1.06}, Better::lower, 0.05) == Finding::worse);
}

TEST_CASE("law: swapping the two sides swaps better and worse") {
  Random random(7);
  for (int i = 0; i < 2000; ++i) {
    const double middle = std::exp(random.uniform() - 0.5);
    RatioEvidence evidence = timed(middle, middle * std::exp(-random.uniform() / 4),
                                   middle * std::exp(random.uniform() / 4), random.uniform() / 20);
    evidence.control = Interval{std::exp(-random.uniform() / 20), std::exp(random.uniform() / 20)};
    CHECK(judge(swapped(evidence), Better::lower, 0.05) ==
          mirrored(judge(evidence, Better::lower, 0.05)));
  }
}

TEST_CASE("law: a narrower interval around the same ratio never takes an answer back") {
  for (double ratio : {0.5, 0.97, 1.0, 1.02, 1.3})
    for (double width = 0.4; width > 0.01; width *= 0.8) {
      const auto wide =
          judge(timed(ratio, ratio * (1 - width), ratio * (1 + width)), Better::lower, 0.05);
      const auto narrow = judge(timed(ratio, ratio * (1 - width / 2), ratio * (1 + width / 2)),
                                Better::lower, 0.05);
      if (wide == Finding::no_difference) CHECK(narrow == Finding::no_difference);
      if (wide == Finding::worse || wide == Finding::better) CHECK(narrow != Finding::undecided);
    }
}

TEST_CASE("a distance is no rank") {
  CHECK(judge_distance(0.0001, Interval{0, 0.0005}, 0.001) == Finding::no_difference);
  CHECK(judge_distance(0.1, Interval{0.09, 0.11}, 0.001) == Finding::differs);
  CHECK(judge_distance(0.001, Interval{0.0005, 0.002}, 0.001) == Finding::undecided);
}

TEST_CASE("the interval of an unpaired ratio holds the truth in at least 93 % of 400 tries") {
  Random random(11);
  int held = 0;
  for (int attempt = 0; attempt < 400; ++attempt) {
    std::array<double, 15> one{}, other{};
    for (double& value : one) value = std::exp(random.uniform());
    for (double& value : other) value = 1.2 * std::exp(random.uniform());
    const Estimate ratio = unpaired_ratio(other, one, {.resamples = 400, .seed = random.next()});
    held += ratio.interval.low <= 1.2 && 1.2 <= ratio.interval.high;
  }
  CHECK(held >= 372);
}

TEST_CASE("the worst finding speaks for all") {
  std::vector<Difference> all(3);
  CHECK(overall(all) == Finding::not_measured);
  all[0].finding = Finding::differs;
  CHECK(overall(all) == Finding::no_difference);
  all[1].finding = Finding::better;
  CHECK(overall(all) == Finding::better);
  all[2].finding = Finding::undecided;
  CHECK(overall(all) == Finding::undecided);
  all[0].finding = Finding::worse;
  CHECK(overall(all) == Finding::worse);
}
