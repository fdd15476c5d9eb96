#include "pipeline/timing.h"

#include <algorithm>
#include <array>
#include <span>

#include "core/files.h"
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

// Every contestant's requests say whose they are, so that an error of the rounds has a culprit.
// number: absent for one that the others cannot do without.
Contestant watched(Contestant one, std::optional<std::size_t> number,
                   std::optional<std::size_t>& asked) {
  one.request = [number, &asked, request = std::move(one.request)] {
    asked = number;
    return request();
  };
  return one;
}

// What the worker itself tells: how long it took to load, and its memory at the highest.
Result<void> add_worker_metrics(Measurement& measurement, WorkerSession& worker, const Exam& exam,
                                const std::string& name, Context& context) {
  const double load_seconds = worker.session().info().load_seconds;
  std::vector<Metric> metrics = measure::load_metrics(std::span(&load_seconds, 1));
  const os::Memory peak = worker.process().memory_peak().at_peak;
  const measure::MemorySample sample{
      .anonymous = peak.anonymous, .shared = peak.shared, .file = peak.file};
  if (sample.total() > 0) {
    for (Metric& metric : measure::memory_metrics(std::span(&sample, 1), exam.context()))
      metrics.push_back(std::move(metric));
  }
  STROP_TRY(const fs::path folder, context.samples_folder());
  const Json raw{{"load_seconds", load_seconds},
                 {"anonymous_bytes", sample.anonymous},
                 {"shared_bytes", sample.shared},
                 {"file_bytes", sample.file}};
  STROP_CHECK(write_whole(folder / name, text_of(raw) + "\n"));
  for (Metric& metric : metrics) {
    metric.samples_path = str("samples/", name);
    measurement.metrics.push_back(std::move(metric));
  }
  return {};
}

// What the series of one contestant say.
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
  const bool slowed = !measure::climate_warning(measurement.conditions).empty();
  for (Metric& metric : measurement.metrics) {
    metric.noisy |= slowed;
    metric.samples_path = samples_path;
  }
  return measurement;
}

// Contestants that took turns: the baseline in front, once more at the end.
struct Rounds {
  std::string name;  // of the files with the raw samples
  Timing timing;
  Control control;
  std::string path;  // of the series
  std::array<measure::Climate, 2> climate;
};

Result<Rounds> play(const std::string& name, std::span<const Contestant> contestants,
                    double max_seconds, Context& context) {
  measure::flush_writes(context.store().root());
  const auto load = measure::machine_load();
  const measure::Climate before = measure::read_climate(kSys);
  STROP_TRY(Timing timing,
            measure::time_rounds(contestants,
                                 {.target_half_width = kGroupHalfWidth, .max_seconds = max_seconds},
                                 measure::steady_clock(), load.get(), context.stop()));
  const measure::Climate after = measure::read_climate(kSys);
  Control control = measure::control_of(timing, timing.series.size() - 1, "request_time");
  STROP_TRY(std::string path, write_series(timing, str("timing-", name, ".json"), context));
  return Rounds{.name = name,
                .timing = std::move(timing),
                .control = std::move(control),
                .path = std::move(path),
                .climate = {before, after}};
}

// Against the baseline, as one of the figures in `measurement`.
Metric speed_of(const Rounds& rounds, std::size_t index, const Measurement& measurement,
                const Exam& exam) {
  Metric speedup = measure::speedup_metric(rounds.timing, index, exam.context());
  speedup.noisy |=
      !rounds.control.contains_one || !measure::climate_warning(measurement.conditions).empty();
  speedup.samples_path = rounds.path;
  return speedup;
}

// All that is measured of one contestant once its rounds are over.
Result<Measurement> figures_of(const Trial& trial, WorkerSession& worker, const Rounds& rounds,
                               std::size_t index, const Exam& exam, const Report& report,
                               Context& context) {
  Measurement measurement = measurement_of(trial, worker, rounds.timing, index, rounds.path, exam,
                                           rounds.climate, report);
  measurement.control = rounds.control;
  if (index > 0) measurement.metrics.push_back(speed_of(rounds, index, measurement, exam));
  STROP_CHECK(add_worker_metrics(measurement, worker, exam,
                                 str("timing-", rounds.name, "-worker-", index, ".json"), context));
  STROP_CHECK(add_further_metrics(measurement, trial, worker, exam, context));
  return measurement;
}

Trial with_preset(const Trial& trial, const RunPreset& preset) {
  Trial tried = trial;
  tried.run_preset = preset.name;
  tried.run_options = preset.options;
  tried.id = id_of_trial(tried);
  return tried;
}

// Trials that are open at once.
struct Field {
  std::vector<Trial*> trials;
  std::vector<std::unique_ptr<WorkerSession>> workers;  // of each trial

  // One that does not open is marked failed and stays out.
  Result<void> add(Trial& trial, const Report& report, Context& context) {
    auto worker = open(trial, report, context);
    if (worker) {
      trials.push_back(&trial);
      workers.push_back(*std::move(worker));
      return {};
    }
    if (ends_the_run(worker.error())) return std::move(worker).error();
    mark_failed(trial, worker.error());
    return {};
  }
  void take_out(std::size_t number, const Error& error) {
    mark_failed(*trials[number], error);
    trials.erase(trials.begin() + static_cast<std::ptrdiff_t>(number));
    workers.erase(workers.begin() + static_cast<std::ptrdiff_t>(number));
  }
};

// A few requests of each; one that fails goes to `failed` and the others are asked again. Empty
// when there is nothing left to compare.
Result<Timing> screening_of(Field& field, const Exam& exam, Context& context,
                            std::vector<Trial>& failed) {
  while (field.trials.size() > 1) {
    std::optional<std::size_t> asked;
    std::vector<Contestant> contestants;
    for (std::size_t i = 0; i < field.trials.size(); ++i)
      contestants.push_back(watched(exam.contestant(label(*field.trials[i]), *field.workers[i],
                                                    Exam::Length::screening, context.stop()),
                                    i, asked));
    auto timing = measure::time_rounds(
        contestants, {.warm_up = 1, .min_rounds = kScreenRounds, .max_rounds = kScreenRounds},
        measure::steady_clock(), nullptr, context.stop());
    if (timing) return timing;
    if (!asked || ends_the_run(timing.error())) return std::move(timing).error();
    const Trial* const culprit = field.trials[*asked];
    field.take_out(*asked, timing.error());
    failed.push_back(*culprit);
  }
  return Timing{};
}

// ratio: how many times as fast the chosen one was.
std::string why_screened_out(const std::string& chosen, double ratio) {
  std::ostringstream reason;
  reason.precision(3);
  if (ratio >= 1)
    reason << chosen << " was " << ratio << " times as fast";
  else
    reason << "only " << 1 / ratio << " times as fast as " << chosen;
  reason << " in " << kScreenRounds << " screening requests";
  return reason.str();
}

}  // namespace

bool is_timed(const Trial& trial) {
  return trial.measurement && find(*trial.measurement, "request_time");
}

Result<Screened> screen_presets(const Trial& trial, const std::vector<RunPreset>& presets,
                                const Exam& exam, const Report& report, Context& context) {
  if (presets.size() == 1) return Screened{with_preset(trial, presets.front()), {}};
  Screened result;
  std::vector<Trial> tried;
  for (const RunPreset& preset : presets) tried.push_back(with_preset(trial, preset));
  Field field;
  for (Trial& one : tried) {
    const Stopwatch watch;
    STROP_CHECK(field.add(one, report, context));
    one.wall_seconds = watch.seconds();  // what came before is the chosen one's
    if (one.status == TrialStatus::failed) result.others.push_back(one);
  }
  STROP_TRY(const Timing timing, screening_of(field, exam, context, result.others));
  const std::vector<Trial*>& alive = field.trials;
  if (alive.empty()) {
    result.chosen = std::move(result.others.front());
    result.chosen.wall_seconds += trial.wall_seconds;
    result.others.erase(result.others.begin());
    return result;
  }
  std::size_t best = 0;
  if (alive.size() > 1) {
    std::vector<double> speed(alive.size(), 0);
    for (std::size_t i = 0; i < alive.size(); ++i) {
      for (const measure::Request& request : timing.series[i].requests)
        alive[i]->wall_seconds += measure::request_seconds(request);
      speed[i] = measure::speedup(timing, i).value;
      if (i > 0 && speed[i] > kWorthIt && speed[i] > (best == 0 ? 1.0 : speed[best])) best = i;
    }
    STROP_TRY(const std::string path, write_series(timing,
                                                   str("screen-", trial.recipe.backend, "-",
                                                       trial.recipe.name, "-", trial.id, ".json"),
                                                   context));
    for (std::size_t i = 0; i < alive.size(); ++i) {
      if (i == best) continue;
      alive[i]->status = TrialStatus::dominated;
      alive[i]->reason = why_screened_out(alive[best]->run_preset, speed[best] / speed[i]);
      alive[i]->measurement =
          measurement_of(*alive[i], *field.workers[i], timing, i, path, exam, {}, report);
      std::erase_if(alive[i]->measurement->metrics,
                    [](const Metric& metric) { return metric.metric != "request_time"; });
      result.others.push_back(*alive[i]);
    }
  }
  result.chosen = *alive[best];
  result.chosen.wall_seconds += trial.wall_seconds;
  return result;
}

Result<double> time_one(const Trial& baseline, const Exam& exam, const Report& report,
                        Context& context) {
  STROP_TRY(const auto worker, open(baseline, report, context));
  const Contestant asked = exam.contestant("baseline", *worker, Exam::Length::full, context.stop());
  STROP_CHECK(asked.request());  // warms up
  STROP_TRY(const measure::Request request, asked.request());
  return measure::request_seconds(request);
}

Result<std::vector<Trial>> time_group(const std::string& name, const Trial& baseline,
                                      std::vector<Trial> trials, const Exam& exam,
                                      double max_seconds, const Report& report, Context& context) {
  const Stopwatch watch;
  const bool wants_baseline = !is_timed(baseline);
  Trial base = baseline, itself = baseline;
  STROP_TRY(const auto first, open(baseline, report, context));
  STROP_TRY(const auto again, open(baseline, report, context));
  Field field;
  for (Trial& trial : trials) STROP_CHECK(field.add(trial, report, context));
  while (wants_baseline || !field.trials.empty()) {
    std::optional<std::size_t> asked;
    const auto contestant = [&](const std::string& who, WorkerSession& worker,
                                std::optional<std::size_t> number) {
      return watched(exam.contestant(who, worker, Exam::Length::full, context.stop()), number,
                     asked);
    };
    // The control's two are as far from each other in a round as any two are.
    std::vector<Contestant> contestants{contestant("baseline", *first, {})};
    for (std::size_t k = 0; k < field.trials.size(); ++k)
      contestants.push_back(contestant(label(*field.trials[k]), *field.workers[k], k));
    contestants.push_back(contestant("baseline again", *again, {}));
    const auto rounds = play(name, contestants, max_seconds, context);
    if (!rounds && (ends_the_run(rounds.error()) || (!asked && field.trials.empty())))
      return rounds.error();
    if (!rounds && !asked) {
      // The baseline failed this time: what was scored stays, without a speed.
      for (Trial* trial : field.trials) {
        trial->status = TrialStatus::not_tried;
        trial->reason = str("the baseline failed beside it: ", rounds.error().message);
      }
      break;
    }
    if (!rounds) {
      field.take_out(*asked, rounds.error());
      continue;
    }
    if (wants_baseline) {
      STROP_TRY(base.measurement, figures_of(base, *first, *rounds, 0, exam, report, context));
      itself = base;
      itself.measurement->metrics.push_back(
          speed_of(*rounds, contestants.size() - 1, *base.measurement, exam));
    }
    for (std::size_t k = 0; k < field.trials.size(); ++k) {
      Trial& trial = *field.trials[k];
      STROP_TRY(trial.measurement,
                figures_of(trial, *field.workers[k], *rounds, k + 1, exam, report, context));
      trial.status = TrialStatus::ok;
      trial.wall_seconds += watch.seconds() / static_cast<double>(field.trials.size());
    }
    break;
  }
  if (wants_baseline) trials.insert(trials.begin(), {std::move(base), std::move(itself)});
  return trials;
}

}  // namespace strop::pipeline
