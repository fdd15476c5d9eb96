#include "pipeline/timing.h"

#include <algorithm>
#include <array>
#include <span>

#include "measure/climate.h"
#include "measure/memory.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

using measure::Contestant;
using measure::Timing;

// A preset must be this much faster than the default to be chosen: two requests tell no less apart.
constexpr double kWorthIt = 1.1;
constexpr std::uint32_t kScreenRounds = 2;
constexpr double kLeastControlRounds = 5;
// A third of the narrowest claim that is made of a run's speeds, 8 %.
constexpr double kControlHalfWidth = 0.027;
// Narrow enough to tell the gate's twofold speed; the interval is always shown with the ratio.
constexpr double kGroupHalfWidth = 0.08;
constexpr const char* kSys = "/sys";

std::string label(const Trial& trial) {
  return str(trial.recipe.backend, " ", trial.recipe.name,
             trial.run_preset == "default" ? "" : " " + trial.run_preset);
}

std::string id_of_trial(const Trial& trial) {
  return id_of({{"recipe", trial.recipe.id},
                {"role", name_of(trial.role)},
                {"run_options", trial.run_options}})
      .substr(0, 16);
}

Result<std::string> write_series(const Timing& timing, const std::string& name, Context& context) {
  STROP_TRY(const fs::path folder, context.samples_folder());
  STROP_CHECK(measure::write_samples(timing, folder / name));
  return str("samples/", name);
}

// Once the requests are timed and the memory is read: figures that need requests of their own.
Result<void> add_further_metrics(Measurement& measurement, const Trial& trial,
                                 WorkerSession& worker, const Exam& exam, Context& context) {
  Exam::Further further = exam.further_metrics(worker, context.stop());
  if (further.metrics.empty()) return {};
  STROP_TRY(const std::string path,
            write_series(Timing{.series = std::move(further.series), .settled = true},
                         str("further-", trial.id, ".json"), context));
  for (Metric& metric : further.metrics) {
    metric.samples_path = path;
    measurement.metrics.push_back(std::move(metric));
  }
  return {};
}

// What the series of one contestant and its worker say.
Measurement measurement_of(const Trial& trial, WorkerSession& worker, const Timing& timing,
                           std::size_t index, const std::string& samples_path, const Exam& exam,
                           std::span<const measure::Climate> climate, const Report& report) {
  Measurement measurement{.artifact_id = trial.artifact->id,
                          .target_id = report.target->id,
                          .run_options = worker.session().info().run_options,
                          .conditions = conditions_of(trial, worker, report)};
  measure::note(climate, measurement.conditions);
  if (timing.load) {
    measurement.conditions.foreign_load = timing.load->cores;
    measurement.conditions.steal_ratio = timing.load->steal;
  }
  measurement.metrics = exam.request_metrics(timing.series[index].requests);
  measurement.not_measured = measure::lacking_percentiles(measurement.metrics);
  const double load_seconds = worker.session().info().load_seconds;
  for (Metric& metric : measure::load_metrics(std::span(&load_seconds, 1)))
    measurement.metrics.push_back(std::move(metric));
  const os::Memory peak = worker.process().memory_peak().at_peak;
  const measure::MemorySample sample{
      .anonymous = peak.anonymous, .shared = peak.shared, .file = peak.file};
  if (sample.total() > 0) {
    for (Metric& metric : measure::memory_metrics(std::span(&sample, 1), exam.context()))
      measurement.metrics.push_back(std::move(metric));
  }
  for (Metric& metric : measurement.metrics) {
    if (metric.samples_path.empty()) metric.samples_path = samples_path;
  }
  return measurement;
}

Trial with_preset(const Trial& trial, const RunPreset& preset) {
  Trial tried = trial;
  tried.run_preset = preset.name;
  tried.run_options = preset.options;
  tried.id = id_of_trial(tried);
  return tried;
}

}  // namespace

Result<Screened> screen_presets(const Trial& trial, const std::vector<RunPreset>& presets,
                                const Exam& exam, const Report& report, Context& context) {
  Screened result;
  std::vector<Trial> alive;
  std::vector<std::unique_ptr<WorkerSession>> workers;
  for (const RunPreset& preset : presets) {
    const Stopwatch watch;
    Trial tried = with_preset(trial, preset);
    auto worker = open(tried, report, context);
    tried.wall_seconds = watch.seconds();  // what came before is the chosen one's
    if (worker) {
      alive.push_back(std::move(tried));
      workers.push_back(*std::move(worker));
    } else {
      if (ends_the_run(worker.error())) return std::move(worker).error();
      mark_failed(tried, worker.error());
      result.others.push_back(std::move(tried));
    }
  }
  if (alive.empty()) {
    result.chosen = std::move(result.others.front());
    result.chosen.wall_seconds += trial.wall_seconds;
    result.others.erase(result.others.begin());
    return result;
  }
  std::size_t best = 0;
  std::vector<double> seconds(alive.size(), 0);
  if (alive.size() > 1) {
    std::vector<Contestant> contestants;
    for (std::size_t i = 0; i < alive.size(); ++i)
      contestants.push_back(
          exam.contestant(label(alive[i]), *workers[i], Exam::Length::screening, context.stop()));
    const measure::TimingOptions options{
        .warm_up = 1, .min_rounds = kScreenRounds, .max_rounds = kScreenRounds};
    STROP_TRY(const Timing timing,
              measure::time_rounds(contestants, options, measure::steady_clock(), nullptr,
                                   context.stop()));
    for (std::size_t i = 0; i < alive.size(); ++i) {
      for (const measure::Request& request : timing.series[i].requests)
        alive[i].wall_seconds += measure::request_seconds(request);
      seconds[i] = measure::speedup(timing, i).value;
      if (i > 0 && seconds[i] > kWorthIt && seconds[i] > (best == 0 ? 1.0 : seconds[best]))
        best = i;
    }
    STROP_TRY(const std::string path, write_series(timing,
                                                   str("screen-", trial.recipe.backend, "-",
                                                       trial.recipe.name, "-", trial.id, ".json"),
                                                   context));
    for (std::size_t i = 0; i < alive.size(); ++i) {
      if (i == best) continue;
      alive[i].status = TrialStatus::dominated;
      std::ostringstream reason;
      reason.precision(3);
      reason << alive[best].run_preset << " was " << seconds[best] / seconds[i]
             << " times as fast in " << kScreenRounds << " screening requests";
      alive[i].reason = reason.str();
      alive[i].measurement =
          measurement_of(alive[i], *workers[i], timing, i, path, exam, {}, report);
      std::erase_if(alive[i].measurement->metrics,
                    [](const Metric& metric) { return metric.metric != "request_time"; });
      result.others.push_back(alive[i]);
    }
  }
  result.chosen = std::move(alive[best]);
  result.chosen.wall_seconds += trial.wall_seconds;
  return result;
}

Result<Controlled> time_control(const Trial& baseline, const Exam& exam, double max_seconds,
                                const Report& report, Context& context) {
  STROP_TRY(const auto first, open(baseline, report, context));
  STROP_TRY(const auto second, open(baseline, report, context));
  const auto load = measure::machine_load();
  const std::vector<Contestant> contestants{
      exam.contestant("baseline", *first, Exam::Length::full, context.stop()),
      exam.contestant("baseline again", *second, Exam::Length::full, context.stop())};
  // However little of the budget is left, a control needs a few rounds; one request tells what they
  // take.
  STROP_TRY(const measure::Request once, contestants.front().request());
  const double least_seconds = kLeastControlRounds * 2 * measure::request_seconds(once);
  const measure::TimingOptions options{.target_half_width = kControlHalfWidth,
                                       .max_seconds = std::max(max_seconds, least_seconds)};
  const measure::Climate before = measure::read_climate(kSys);
  STROP_TRY(const Timing timing, measure::time_rounds(contestants, options, measure::steady_clock(),
                                                      load.get(), context.stop()));
  const std::array climate{before, measure::read_climate(kSys)};
  STROP_TRY(const std::string path, write_series(timing, "control.json", context));
  Controlled result{
      .control = measure::control_of(timing, "request_time"),
      .baseline = measurement_of(baseline, *first, timing, 0, path, exam, climate, report)};
  STROP_CHECK(add_further_metrics(result.baseline, baseline, *first, exam, context));
  return result;
}

Result<std::vector<Trial>> time_group(const Trial& baseline, std::vector<Trial> trials,
                                      const Exam& exam, double max_seconds, const Report& report,
                                      Context& context) {
  const Stopwatch watch;
  STROP_TRY(const auto base, open(baseline, report, context));
  std::vector<std::unique_ptr<WorkerSession>> workers;
  std::vector<std::size_t> timed;  // indices of trials, in the order of the workers
  for (std::size_t i = 0; i < trials.size(); ++i) {
    auto worker = open(trials[i], report, context);
    if (!worker) {
      if (ends_the_run(worker.error())) return std::move(worker).error();
      mark_failed(trials[i], worker.error());
      continue;
    }
    workers.push_back(*std::move(worker));
    timed.push_back(i);
  }
  while (!timed.empty()) {
    std::vector<Contestant> contestants{
        exam.contestant("baseline", *base, Exam::Length::full, context.stop())};
    std::optional<std::size_t> culprit;
    for (std::size_t k = 0; k < timed.size(); ++k) {
      Contestant one =
          exam.contestant(label(trials[timed[k]]), *workers[k], Exam::Length::full, context.stop());
      one.request = [&culprit, k, request = one.request]() {
        auto answer = request();
        if (!answer) culprit = k;
        return answer;
      };
      contestants.push_back(std::move(one));
    }
    const auto load = measure::machine_load();
    const measure::Climate before = measure::read_climate(kSys);
    const auto timing = measure::time_rounds(
        contestants, {.target_half_width = kGroupHalfWidth, .max_seconds = max_seconds},
        measure::steady_clock(), load.get(), context.stop());
    if (!timing && !culprit && !ends_the_run(timing.error())) {
      // The baseline failed this time: what was scored stays, without a speed.
      for (std::size_t index : timed) {
        trials[index].status = TrialStatus::not_tried;
        trials[index].reason = str("the baseline failed beside it: ", timing.error().message);
      }
      return trials;
    }
    if (!timing) {
      if (ends_the_run(timing.error())) return timing.error();
      mark_failed(trials[timed[*culprit]], timing.error());
      workers.erase(workers.begin() + static_cast<std::ptrdiff_t>(*culprit));
      timed.erase(timed.begin() + static_cast<std::ptrdiff_t>(*culprit));
      continue;
    }
    const std::array climate{before, measure::read_climate(kSys)};
    STROP_TRY(const std::string path,
              write_series(*timing, str("timing-", trials[timed.front()].id, ".json"), context));
    for (std::size_t k = 0; k < timed.size(); ++k) {
      Trial& trial = trials[timed[k]];
      trial.measurement =
          measurement_of(trial, *workers[k], *timing, k + 1, path, exam, climate, report);
      trial.measurement->metrics.push_back(measure::speedup_metric(*timing, k + 1, exam.context()));
      trial.measurement->metrics.back().samples_path = path;
      STROP_CHECK(add_further_metrics(*trial.measurement, trial, *workers[k], exam, context));
      trial.status = TrialStatus::ok;
      trial.wall_seconds += watch.seconds() / static_cast<double>(timed.size());
    }
    break;
  }
  return trials;
}

}  // namespace strop::pipeline
