#include "pipeline/validate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "core/files.h"
#include "core/stop.h"
#include "gate/gate.h"
#include "gate/security.h"
#include "measure/random.h"
#include "measure/sequential.h"
#include "measure/trend.h"
#include "pipeline/artifact_source.h"
#include "pipeline/load.h"
#include "pipeline/streams.h"
#include "search/recommend.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

constexpr std::uint32_t kStreams = 4;
constexpr double kStressSeconds = 60;     // what the gate asks for
constexpr double kSoakShare = 0.1;        // of the whole budget
constexpr double kComparisonShare = 0.1;  // likewise
constexpr double kLeastLoadSeconds = 1;
constexpr double kEnergySeconds = 8;
constexpr std::uint32_t kMostPairs = 200;
constexpr std::size_t kKlBlock = 32;       // tokens that count as one draw
constexpr std::size_t kMostValidated = 2;  // artifacts
constexpr std::uint64_t kMaxSamples = 512ull << 20;

constexpr std::array kUnderLoad{"stress_errors", "stress_slowdown", "stress_growth",
                                "soak_memory_growth", "soak_latency_growth"};

// Metrics that only this file adds.
bool is_validation(const std::string& metric) {
  static const std::set<std::string> kOwn{
      "ab_test",           "stress_errors",      "stress_slowdown",
      "stress_growth",     "soak_memory_growth", "soak_latency_growth",
      "security_findings", "network_use"};
  return kOwn.contains(metric);
}

void not_measured(Measurement& measurement, const std::string& metric, const std::string& why) {
  measurement.not_measured.push_back({metric, {}, why});
}

Result<double> seconds_of(const measure::Contestant& contestant) {
  STROP_TRY(const measure::Request one, contestant.request());
  return measure::request_seconds(one);
}

struct Pair {
  double baseline = 0, candidate = 0;
};

// Whether the candidate's answers are nearer to the original's than the limit: one draw per block.
measure::SequentialComparison near_enough(const std::vector<double>& distances, std::size_t block,
                                          double limit, double error) {
  measure::SequentialComparison comparison(error);
  for (std::size_t begin = 0; begin + block <= distances.size(); begin += block)
    comparison.add(measure::mean(std::span(distances).subspan(begin, block)) < limit);
  return comparison;
}

// The raw distances, as the quality stage left them: of positions of a text, or of samples.
struct Distances {
  std::vector<double> each;
  std::size_t block = 1;
};

Result<Distances> stored_distances(const Trial& trial, const Exam& exam, Context& context) {
  const Metric* metric = find(*trial.measurement, exam.distance());
  if (!metric || metric->samples_path.empty())
    return Error{.code = ErrorCode::not_found,
                 .message = str(exam.distance(), " was not measured sample by sample")};
  STROP_TRY(const std::string text, read_text(context.out() / metric->samples_path, kMaxSamples));
  STROP_TRY(const Json json, parse_json(text, metric->samples_path));
  if (!json.is_object())
    return Error{.code = ErrorCode::corrupt,
                 .message = str(metric->samples_path, " must hold an object")};
  if (json.contains("kl")) {
    STROP_TRY(auto kl, decode<std::vector<double>>(json["kl"], "kl"));
    return Distances{std::move(kl), kKlBlock};
  }
  // Of the output that the task is about.
  STROP_TRY(const auto outputs,
            decode<std::vector<std::string>>(json.value("outputs", Json()), "outputs"));
  const Json noise = json.value("noise", Json::array());
  for (std::size_t i = 0; i < outputs.size() && noise.is_array() && i < noise.size(); ++i) {
    if (json.value("main", Json()) != Json(outputs[i])) continue;
    STROP_TRY(auto each, decode<std::vector<double>>(noise[i], "noise"));
    return Distances{std::move(each), 1};
  }
  return Error{.code = ErrorCode::not_found,
               .message = str(metric->samples_path, " has no distances sample by sample")};
}

// Both hypotheses must be rejected, each at the stated error: that the candidate is not the faster
// one, and that it is not near the original.
Result<void> compare_with_baseline(Trial& trial, const Trial& baseline, const Exam& exam,
                                   const GateRules& rules, double seconds, const Report& report,
                                   Context& context) {
  Measurement& measurement = *trial.measurement;
  const double error = report.goal.thresholds.ab_error;
  STROP_TRY(const auto one, open(trial, report, context));
  STROP_TRY(const auto other, open(baseline, report, context));
  const auto candidate = exam.varied_contestant("candidate", *one, context.stop());
  const auto original = exam.varied_contestant("baseline", *other, context.stop());
  STROP_CHECK(candidate.request());
  STROP_CHECK(original.request());

  measure::Random random(report.goal.seed);
  measure::SequentialComparison time(error);
  std::vector<Pair> pairs;
  const Stopwatch watch;
  while (time.state() == measure::SequentialComparison::State::open && pairs.size() < kMostPairs &&
         (pairs.empty() || watch.seconds() < seconds)) {
    const bool first = random.uniform() < 0.5;  // who goes first is drawn, as who gets a request is
    Pair pair;
    for (const bool is_candidate : {first, !first}) {
      STROP_TRY((is_candidate ? pair.candidate : pair.baseline),
                seconds_of(is_candidate ? candidate : original));
    }
    pairs.push_back(pair);
    if (pair.candidate != pair.baseline) time.add(pair.candidate < pair.baseline);
  }
  const auto distances = stored_distances(trial, exam, context);
  const auto limit =
      divergence_limit(trial.recipe, exam.distance(), report.goal, rules, measurement.run_options);
  if (!distances || !limit) {
    not_measured(
        measurement, "ab_test",
        distances ? str("no limit is stated for ", exam.distance()) : distances.error().message);
    return {};
  }
  const auto distance = near_enough(distances->each, distances->block, *limit, error);
  STROP_TRY(const fs::path folder, context.samples_folder());
  const std::string name = str("ab-", trial.id, ".json");
  Json rows = Json::array();
  for (const Pair& pair : pairs) rows.push_back({pair.baseline, pair.candidate});
  const Json raw{{"pairs", rows},
                 {"faster", time.wins()},
                 {"time_p", time.p_value()},
                 {"blocks", distance.pairs()},
                 {"near", distance.wins()},
                 {"near_p", distance.p_value()}};
  STROP_CHECK(write_whole(folder / name, text_of(raw) + "\n"));
  using State = measure::SequentialComparison::State;
  const auto decided = [](State state) { return state != State::open; };
  const bool worse = time.state() == State::second_wins || distance.state() == State::second_wins;
  const bool open_still = !worse && !(decided(time.state()) && decided(distance.state()));
  measurement.metrics.push_back({.metric = "ab_test",
                                 .unit = "error",
                                 .value = worse ? 1 : std::max(time.p_value(), distance.p_value()),
                                 .samples = static_cast<std::uint32_t>(pairs.size()),
                                 .samples_path = str("samples/", name),
                                 .noisy = open_still});
  return {};
}

// With its share of the threads, where the engine has a knob for them.
Trial sharing(const Trial& trial, std::uint32_t streams, const Report& report) {
  Trial shared = trial;
  shared.run_options = options_for(trial, report);
  const auto threads = shared.run_options.find("threads");
  if (threads == shared.run_options.end()) return shared;
  const auto all = static_cast<std::uint32_t>(std::strtoul(threads->second.c_str(), nullptr, 10));
  threads->second = str(std::max(1u, all / streams));
  return shared;
}

struct Served {
  measure::Traffic traffic;
  std::vector<measure::Reading> memory;
  std::string path;  // of the raw samples
};

// So many streams in a closed loop.
Result<Served> serve(const Trial& trial, std::uint32_t streams, double seconds, const char* name,
                     const Exam& exam, const Report& report, Context& context) {
  const Trial shared = sharing(trial, streams, report);
  STROP_TRY(Crew crew, Crew::open(streams, [&] { return open(shared, report, context); }));
  CrewServer server(crew, [&](WorkerSession& worker) {
    return exam.contestant(name, worker, Exam::Length::full, context.stop());
  });
  STROP_CHECK(server.warm_up());
  Served served{.traffic =
                    measure::closed_loop(server, seconds, measure::steady_clock(), context.stop())};
  STROP_CHECK(check_stop(context.stop()));
  served.memory = server.memory();
  STROP_TRY(const fs::path folder, context.samples_folder());
  served.path = str("samples/", name, "-", trial.id, ".json");
  STROP_CHECK(measure::write_samples(served.traffic, context.out() / served.path));
  return served;
}

Metric grown(const char* name, const measure::Estimate& growth, std::size_t samples,
             const std::string& path, bool short_of_time) {
  return {.metric = name,
          .unit = "ratio",
          .value = growth.value,
          .interval = growth.interval,
          .samples = static_cast<std::uint32_t>(samples),
          .samples_path = path,
          .noisy = short_of_time};
}

// Without what was read before the first tenth of the time: caches fill.
std::vector<measure::Reading> settled(const std::vector<measure::Reading>& all) {
  if (all.empty()) return {};
  const double from = all.front().at + (all.back().at - all.front().at) / 10;
  std::vector<measure::Reading> late;
  std::copy_if(all.begin(), all.end(), std::back_inserter(late),
               [&](const measure::Reading& reading) { return reading.at >= from; });
  return late;
}

Result<void> stress(Trial& trial, const Exam& exam, double seconds, const Report& report,
                    Context& context) {
  Measurement& measurement = *trial.measurement;
  const Metric* alone = find(measurement, "request_time");
  STROP_TRY(const Served served, serve(trial, kStreams, seconds, "stress", exam, report, context));
  const measure::Traffic& traffic = served.traffic;
  const std::string& path = served.path;
  const bool too_short = seconds < kStressSeconds;
  const auto errors = static_cast<double>(traffic.errors.size());
  MetricContext at = exam.context();
  at.concurrency = kStreams;
  measurement.metrics.push_back({.metric = "stress_seconds",
                                 .unit = "s",
                                 .value = traffic.seconds,
                                 .samples = static_cast<std::uint32_t>(traffic.served.size()),
                                 .samples_path = path});
  // One error is one too many, however short the test; none proves something after a minute only.
  measurement.metrics.push_back(
      {.metric = "stress_errors",
       .unit = "requests",
       .context = at,
       .value = errors,
       .interval = Interval{errors, errors, 1},
       .samples = static_cast<std::uint32_t>(traffic.served.size() + traffic.errors.size()),
       .samples_path = path,
       .noisy = too_short});
  measure::TrafficFigures figures =
      measure::traffic_figures(traffic, at, !runs_on_tensors(*report.model));
  const auto p95 =
      std::find_if(figures.metrics.begin(), figures.metrics.end(),
                   [](const Metric& metric) { return metric.metric == "request_latency_p95"; });
  if (p95 != figures.metrics.end() && alone) {
    const double fair = alone->value * 1000 * kStreams;
    Metric slowdown{.metric = "stress_slowdown",
                    .unit = "ratio",
                    .context = at,
                    .value = p95->value / fair,
                    .samples = p95->samples,
                    .samples_path = path};
    if (p95->interval)
      slowdown.interval = Interval{p95->interval->low / fair, p95->interval->high / fair};
    measurement.metrics.push_back(std::move(slowdown));
  } else {
    not_measured(measurement, "stress_slowdown",
                 alone ? measure::lacks_samples(0.95, traffic.served.size()).value_or("no p95")
                       : "the request time alone was not measured");
  }
  measure::add(std::move(figures), path, measurement);
  const auto readings = settled(served.memory);
  if (const auto growth = measure::growth(readings))
    measurement.metrics.push_back(
        grown("stress_growth", *growth, readings.size(), path, too_short));
  else
    not_measured(measurement, "stress_growth", "too few readings of memory");
  return {};
}

Result<void> soak(Trial& trial, const Exam& exam, double seconds, const Report& report,
                  Context& context) {
  Measurement& measurement = *trial.measurement;
  STROP_TRY(const Served served, serve(trial, 1, seconds, "soak", exam, report, context));
  const measure::Traffic& traffic = served.traffic;
  const std::string& path = served.path;
  measurement.metrics.push_back({.metric = "soak_seconds",
                                 .unit = "s",
                                 .value = traffic.seconds,
                                 .samples = static_cast<std::uint32_t>(traffic.served.size()),
                                 .samples_path = path});
  if (!traffic.errors.empty()) {
    // What still answered does not show that the engine lasts.
    for (const char* name : {"soak_memory_growth", "soak_latency_growth"})
      not_measured(measurement, name,
                   str(traffic.errors.size(), " requests failed: ", traffic.errors.front()));
    return {};
  }
  const auto memory = settled(served.memory);
  if (const auto growth = measure::growth(memory))
    measurement.metrics.push_back(grown("soak_memory_growth", *growth, memory.size(), path, false));
  else
    not_measured(measurement, "soak_memory_growth", "too few readings of memory");
  std::vector<measure::Reading> latency;
  for (const measure::Served& request : traffic.served)
    latency.push_back({request.started, request.finished - request.started});
  if (const auto growth = measure::growth(latency))
    measurement.metrics.push_back(
        grown("soak_latency_growth", *growth, latency.size(), path, false));
  else
    not_measured(measurement, "soak_latency_growth",
                 str("needs 8 requests, had ", latency.size(), " in ", traffic.seconds, " s"));
  return {};
}

Result<void> check_files(Trial& trial, const Report& report, Context& context) {
  STROP_TRY(const fs::path vocabulary, vocabulary_of(*trial.artifact, context));
  const auto checks = check_security(*trial.artifact, *report.model, vocabulary);
  STROP_TRY(const fs::path folder, context.samples_folder());
  const std::string name = str("security-", trial.id, ".json");
  STROP_CHECK(write_checks(checks, folder / name));
  add_security(*trial.measurement, checks, str("samples/", name));
  return {};
}

Result<void> energy(Trial& trial, const Exam& exam, const Report& report, Context& context) {
  Measurement& measurement = *trial.measurement;
  std::erase_if(measurement.not_measured,
                [metric = energy_metric(exam.context())](const Unmeasured& one) {
                  return one.metric == metric;
                });
  STROP_TRY(const auto worker, open(trial, report, context));
  const auto contestant = exam.contestant("energy", *worker, Exam::Length::full, context.stop());
  add_energy(measurement, contestant, exam.context(), kEnergySeconds, context.stop());
  return {};
}

// One part; what stops it is said, and the others go on.
template <class Part>
Result<void> part(Trial& trial, const char* metric, const std::string& name, Context& context,
                  const Part& work) {
  context.tell(
      {.kind = Event::Kind::work,
       .stage = Stage::measure,
       .subject = str("validate ", trial.recipe.backend, " ", trial.recipe.name, ": ", name)});
  const Result<void> done = work();
  if (done) return {};
  if (ends_the_run(done.error())) return done.error();
  not_measured(*trial.measurement, metric, done.error().message);
  return {};
}

Result<Trial> validated(Trial trial, const Trial& baseline, const Exam& exam,
                        const GateRules& rules, const Report& report, Context& context) {
  const double budget = report.goal.budget.wall_seconds;
  // What is left decides how long the load lasts, and the report says how long it was.
  const double left = std::max(0.0, context.seconds_left());
  const double scale = std::min(1.0, left / std::max(1.0, validation_seconds(report.goal)));
  STROP_CHECK(part(trial, "security_findings", "its files", context,
                   [&] { return check_files(trial, report, context); }));
  STROP_CHECK(part(trial, "ab_test", "beside the baseline", context, [&] {
    return compare_with_baseline(trial, baseline, exam, rules, kComparisonShare * budget * scale,
                                 report, context);
  }));
  const double seconds = scale >= 1 ? kStressSeconds : std::floor(kStressSeconds * scale);
  const double soaked = kSoakShare * budget * scale;
  if (std::min(seconds, soaked) < kLeastLoadSeconds) {
    for (const char* name : kUnderLoad)
      not_measured(*trial.measurement, name, "no time of the budget was left for load");
    return trial;
  }
  STROP_CHECK(part(trial, "stress_errors", str(seconds, " s at ", kStreams, " streams"), context,
                   [&] { return stress(trial, exam, seconds, report, context); }));
  STROP_CHECK(part(trial, "soak_memory_growth", "over time", context,
                   [&] { return soak(trial, exam, soaked, report, context); }));
  STROP_CHECK(part(trial, energy_metric(exam.context()), "its energy", context,
                   [&] { return energy(trial, exam, report, context); }));
  return trial;
}

// The best artifact that was not validated yet, by the gates that do not need it. The report has a
// baseline, here and below.
Trial* next_to_validate(Report& report, const GateRules& rules, const std::set<std::string>& done) {
  GateRules known = rules;
  std::erase_if(known.gates, [](const GateRule& rule) { return is_validation(rule.metric); });
  const Trial& baseline = *find_trial(report.trials, Role::baseline);
  std::vector<GateReport> judged;
  for (const Trial& trial : report.trials)
    if (trial.role == Role::candidate && trial.status == TrialStatus::ok &&
        !done.contains(trial.id))
      judged.push_back(judge(report.goal, trial, baseline, known));
  const Front front = recommend({}, report.trials, judged, report.goal, *report.model);
  return find_trial(report.trials, front.recommended_id);
}

bool passes_validation(const Trial& trial, const Report& report, const GateRules& rules) {
  GateRules own = rules;
  std::erase_if(own.gates, [](const GateRule& rule) { return !is_validation(rule.metric); });
  return judge(report.goal, trial, *find_trial(report.trials, Role::baseline), own).passed;
}

}  // namespace

double validation_seconds(const Goal& goal) {
  if (goal.profile == Profile::prototype) return 0;
  return kStressSeconds + (kSoakShare + kComparisonShare) * goal.budget.wall_seconds +
         kEnergySeconds + 10;
}

Result<void> validate(Report& report, const Exam& exam, Context& context) {
  if (report.goal.profile == Profile::prototype || !report.target->local) return {};
  STROP_TRY(const GateRules rules, load_gate_rules(context.where().share / "plan" / "gates.json"));
  const Trial* const baseline = find_trial(report.trials, Role::baseline);
  if (!baseline || !baseline->measurement) return {};
  const Trial base = *baseline;
  std::set<std::string> done;
  while (done.size() < kMostValidated) {
    Trial* const trial = next_to_validate(report, rules, done);
    if (!trial || !trial->measurement) return {};
    done.insert(trial->id);
    const Json inputs{{"trial", trial->id}, {"artifact", trial->artifact->id}};
    STROP_TRY(*trial,
              context.step<Trial>(Stage::measure,
                                  str("validate ", trial->recipe.backend, " ", trial->recipe.name),
                                  inputs, [&]() -> Result<Trial> {
                                    return validated(*trial, base, exam, rules, report, context);
                                  }));
    if (passes_validation(*trial, report, rules)) return {};
    // Decided once per run, so that a resumed run decides alike.
    STROP_TRY(const bool in_time,
              context.step<bool>(Stage::measure, "time to validate another", inputs, [&] {
                return Result<bool>(context.seconds_left() >= kStressSeconds);
              }));
    if (!in_time) return {};
  }
  return {};
}

}  // namespace strop::pipeline
