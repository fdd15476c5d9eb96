// Two runs side by side, from reports that were made up.
#include <doctest/doctest.h>

#include <algorithm>

#include "pipeline/contrast.h"
#include "strop/json.h"
#include "support/temporary_folder.h"

using namespace strop;

namespace {

Metric metric(const std::string& name, const std::string& unit, double value, double spread) {
  return {.metric = name,
          .unit = unit,
          .value = value,
          .interval = Interval{value * (1 - spread), value * (1 + spread)},
          .samples = 20};
}

// The report of a run that measured one artifact, in a folder of its own.
std::string run_of(const test::TemporaryFolder& folder, const std::string& name,
                   const std::vector<Metric>& metrics) {
  Report report{.run_id = name, .tool_version = "0.1.0"};
  Trial trial{.id = "t", .status = TrialStatus::ok};
  trial.recipe.backend = "llama_cpp";
  trial.recipe.name = "q8_0";
  trial.measurement.emplace().metrics = metrics;
  trial.measurement->control = Control{.metric = "request_time",
                                       .interval = Interval{0.999, 1.001},
                                       .pairs = 20,
                                       .contains_one = true};
  report.trials = {trial};
  folder.write(name + "/report.json", to_json(report));
  return (folder.path() / name).string();
}

Contrast contrast_of(const std::vector<Metric>& first, const std::vector<Metric>& second) {
  const test::TemporaryFolder folder;
  const auto found = pipeline::contrast_runs(run_of(folder, "first", first),
                                             run_of(folder, "second", second), 0.05);
  if (!found) FAIL(found.error().message);
  return *found;
}

const Difference& of(const Contrast& contrast, const std::string& name) {
  const auto found =
      std::find_if(contrast.differences.begin(), contrast.differences.end(),
                   [&](const Difference& difference) { return difference.metric == name; });
  REQUIRE((found != contrast.differences.end()));
  return *found;
}

}  // namespace

TEST_CASE("a slower day is no worse artifact: what one clock told is shown and decides nothing") {
  const Metric speedup = metric("speedup", "ratio", 2, 0.001);
  for (const auto& [name, unit] :
       {std::pair<std::string, std::string>("throughput", "samples/s"),
        std::pair<std::string, std::string>("energy_per_token", "J"),
        std::pair<std::string, std::string>("energy_per_inference", "J")}) {
    for (const double factor : {0.5, 2.0}) {
      const Contrast contrast = contrast_of({speedup, metric(name, unit, 100, 0.01)},
                                            {speedup, metric(name, unit, 100 * factor, 0.01)});
      const Difference& shown = of(contrast, name);
      CHECK(shown.finding == Finding::undecided);
      CHECK(shown.ratio.value_or(0) == doctest::Approx(factor));
      CHECK(shown.interval.has_value());
      CHECK(shown.reason.find("not interleaved") != std::string::npos);
      CHECK(contrast.overall == Finding::no_difference);
    }
  }
}

TEST_CASE("the speed over each run's own baseline decides, from six pairs on") {
  Metric before = metric("speedup", "ratio", 2, 0.01), now = metric("speedup", "ratio", 1, 0.01);
  CHECK(contrast_of({before}, {now}).overall == Finding::worse);
  now.samples = 5;
  const Contrast few = contrast_of({before}, {now});
  CHECK(few.overall == Finding::undecided);
  CHECK(of(few, "speedup").reason.find("needs 6 pairs, and there were 5") != std::string::npos);
}

TEST_CASE("two that are both within 0.001 nats of the original are no different") {
  const auto judged = [](double before, double now) {
    return of(contrast_of({metric("kl_mean", "nats", before, 0.1)},
                          {metric("kl_mean", "nats", now, 0.1)}),
              "kl_mean")
        .finding;
  };
  CHECK(judged(0.0001, 0.0009) == Finding::no_difference);
  CHECK(judged(0, 0.0009) == Finding::no_difference);
  CHECK(judged(0.0001, 0.00095) == Finding::worse);  // its interval reaches beyond 0.001
  CHECK(judged(0.01, 0.05) == Finding::worse);
}
