#include "pipeline/load.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>

#include "core/files.h"
#include "core/os.h"
#include "core/stop.h"
#include "formats/model_file.h"
#include "measure/batching.h"
#include "measure/climate.h"
#include "measure/energy.h"
#include "measure/load.h"
#include "pipeline/artifact_source.h"
#include "pipeline/exam.h"
#include "pipeline/golden.h"
#include "pipeline/inferences.h"
#include "pipeline/sample_questions.h"
#include "pipeline/streams.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

constexpr const char* kSys = "/sys";
// Shares of the budget.
constexpr double kPromptShare = 0.15;
constexpr double kBatchShare = 0.1;
constexpr double kClosedShare = 0.35;
constexpr double kOpenShare = 0.3;
constexpr double kEnergyShare = 0.1;
constexpr double kUsualLoad = 0.7;  // of the best rate: busy, but with a queue that empties
constexpr double kCeilingSeconds = 1;
constexpr double kIdleSeconds = 0.5;
// A median needs six for its interval.
constexpr std::uint32_t kEnergyWindows = 6;
constexpr std::size_t kLeastRequests = 6;
constexpr std::size_t kMostRequests = 700;
constexpr std::uint32_t kMostTogether = 8;
constexpr double kRunsOfBatches = 12;   // what the longest batch may be of its share of the budget
constexpr double kCacheValueBytes = 2;  // keys and values are kept in 16 bits unless told otherwise

struct Subject {
  Artifact artifact;
  std::string engine_version;
  bool has_threads = false;      // the engine has a knob for them
  std::vector<TokenId> prompt;   // of a decoder's request
  std::vector<Tensor> sample;    // of one of a function of tensors,
  std::uint32_t inferences = 0;  // which infers it so often; 0: a decoder
  std::string note;              // what a reader must know of the request
  bool of_text() const { return inferences == 0; }
};

std::uint32_t cores_of(const Context& context) {
  const std::uint32_t asked = context.request().goal.workload.threads;
  return asked > 0 ? asked : os::usable_cores();
}

// The cores are shared among the streams, as an engine that serves several does.
RunOptions options_of(const Subject& subject, std::uint32_t streams, const Context& context) {
  if (!subject.has_threads) return {};
  return {{"threads", str(std::max(1u, cores_of(context) / streams))}};
}

Result<std::unique_ptr<WorkerSession>> open_one(const Subject& subject, const RunOptions& options,
                                                Context& context) {
  const Artifact& artifact = subject.artifact;
  STROP_TRY(auto worker, context.open(artifact.backend, artifact, options));
  STROP_CHECK(check_beside(artifact, options, subject.engine_version, *worker, context));
  return worker;
}

Result<Crew> open_crew(const Subject& subject, std::uint32_t streams, Context& context) {
  const RunOptions options = options_of(subject, streams, context);
  return Crew::open(streams, [&] { return open_one(subject, options, context); });
}

// The request of a worker: the goal's, or inferences of one sample.
std::function<measure::Contestant(WorkerSession&)> asking(const Subject& subject,
                                                          Context& context) {
  return [&subject, &context](WorkerSession& worker) -> measure::Contestant {
    if (!subject.of_text())
      return inferring(subject.artifact.entry, worker, subject.sample, subject.inferences,
                       context.stop());
    return continuation(subject.artifact.entry, worker, {subject.prompt},
                        context.request().goal.workload.new_tokens, context.stop());
  };
}

// As long as wanted, by repeating what there is.
std::vector<TokenId> of_length(const std::vector<TokenId>& ids, std::size_t length) {
  std::vector<TokenId> out;
  while (out.size() < length) out.push_back(ids[out.size() % ids.size()]);
  return out;
}

void tell(Context& context, const std::string& what) {
  context.tell({.kind = Event::Kind::work, .stage = Stage::measure, .subject = what});
}

// Times to the first token at each prompt length that fits.
Result<void> time_prompts(LoadOutcome& outcome, const Subject& subject, const LoadRequest& load,
                          DecoderSession& decoder, double seconds, Context& context) {
  Measurement& measurement = outcome.measurement;
  for (const std::uint32_t length : load.prompts) {
    const MetricContext at{.prompt_tokens = length, .new_tokens = 1};
    if (length + 1 > decoder.info().context_length) {
      measurement.not_measured.push_back(
          {"time_to_first_token", at,
           str("a prompt of ", length, " tokens does not fit the context of ",
               decoder.info().context_length)});
      continue;
    }
    tell(context, str("prompt of ", length, " tokens"));
    const std::vector<TokenId> prompt = of_length(subject.prompt, length);
    const Stopwatch watch;
    std::vector<double> ms;
    while (ms.size() < kMostRequests &&
           (ms.size() < kLeastRequests + 1 ||
            watch.seconds() < seconds / static_cast<double>(load.prompts.size()))) {
      STROP_CHECK(decoder.truncate(0, 0));
      STROP_TRY(const Generation one, decoder.generate(0, prompt, 1, context.stop()));
      ms.push_back(one.seconds.front() * 1000);
    }
    ms.erase(ms.begin());  // warm-up
    const auto median = measure::bootstrap_median(ms);
    measurement.metrics.push_back({.metric = "time_to_first_token",
                                   .unit = "ms",
                                   .context = at,
                                   .value = median.value,
                                   .interval = median.interval,
                                   .samples = static_cast<std::uint32_t>(ms.size())});
    measurement.metrics.push_back({.metric = "prefill_rate",
                                   .unit = "tokens/s",
                                   .context = at,
                                   .value = length * 1000 / median.value,
                                   .interval = Interval{length * 1000 / median.interval.high,
                                                        length * 1000 / median.interval.low},
                                   .samples = static_cast<std::uint32_t>(ms.size())});
  }
  return {};
}

// The ids `count` times, each time begun at another one, so that no two prompts are alike.
std::vector<std::vector<TokenId>> rotations(const std::vector<TokenId>& ids, std::size_t count) {
  std::vector<std::vector<TokenId>> prompts(count, ids);
  for (std::size_t i = 0; i < count; ++i) {
    const auto first = static_cast<std::ptrdiff_t>(i * ids.size() / count);
    std::rotate(prompts[i].begin(), prompts[i].begin() + first, prompts[i].end());
  }
  return prompts;
}

// Several sequences in one engine: new tokens per second at 1, 2, 4, 8, and why no more.
Result<void> time_batches(LoadOutcome& outcome, const Subject& subject, DecoderSession& decoder,
                          double seconds, Context& context) {
  const std::uint32_t new_tokens = context.request().goal.workload.new_tokens;
  MetricContext at{.prompt_tokens = static_cast<std::uint32_t>(subject.prompt.size()),
                   .new_tokens = new_tokens};
  const auto seconds_of = [&](std::uint32_t batch) -> Result<double> {
    tell(context, str(batch, batch == 1 ? " sequence" : " sequences together"));
    STROP_TRY(const auto generations, decoder.generate_together(rotations(subject.prompt, batch),
                                                                new_tokens, context.stop()));
    return generations.front().seconds.back();
  };
  const auto found = measure::best_batch(seconds_of, kMostTogether, seconds / kRunsOfBatches);
  if (!found && found.error().code == ErrorCode::cancelled) return found.error();
  Measurement& measurement = outcome.measurement;
  if (!found) {
    measurement.not_measured.push_back({"batch_throughput", at, found.error().message});
    return {};
  }
  for (Metric& metric :
       measure::batch_metrics(*found, {"tokens/s", static_cast<double>(new_tokens), at}))
    measurement.metrics.push_back(std::move(metric));
  if (const std::uint32_t next = 2 * found->tried.back().size; next <= kMostTogether) {
    at.batch = next;
    measurement.not_measured.push_back({"batch_throughput", at, found->ended_by});
  }
  return {};
}

// Raw samples go beside the results where a folder was named for them.
Result<std::string> keep(const measure::Traffic& traffic, const std::string& name,
                         Context& context) {
  if (context.out().empty()) return std::string();
  STROP_TRY(const fs::path folder, context.samples_folder());
  STROP_CHECK(measure::write_samples(traffic, folder / name));
  return str("samples/", name);
}

MetricContext load_context(const Subject& subject, const Context& context, std::uint32_t streams) {
  if (!subject.of_text()) return {.concurrency = streams, .inferences = subject.inferences};
  const Workload& workload = context.request().goal.workload;
  return {.prompt_tokens = workload.prompt_tokens,
          .new_tokens = workload.new_tokens,
          .concurrency = streams};
}

struct Best {
  std::uint32_t streams = 1;
  double requests_per_second = 0;
};

Result<Best> closed_loops(LoadOutcome& outcome, const Subject& subject, const LoadRequest& load,
                          double seconds, Context& context) {
  Best best;
  for (const std::uint32_t streams : load.streams) {
    tell(context, str("closed loop, ", streams, streams == 1 ? " stream" : " streams"));
    STROP_TRY(Crew crew, open_crew(subject, streams, context));
    CrewServer server(crew, asking(subject, context));
    STROP_CHECK(server.warm_up());
    const measure::Traffic traffic =
        measure::closed_loop(server, seconds / static_cast<double>(load.streams.size()),
                             measure::steady_clock(), context.stop());
    STROP_CHECK(check_stop(context.stop()));  // what was measured until a stop is no measurement
    if (traffic.served.empty())
      return Error{.code = ErrorCode::backend,
                   .message = str("[measure] no request was answered with ", streams, " streams",
                                  traffic.errors.empty() ? "" : ": " + traffic.errors.front())};
    STROP_TRY(const std::string path, keep(traffic, str("closed-", streams, ".json"), context));
    measure::add(measure::traffic_figures(traffic, load_context(subject, context, streams),
                                          subject.of_text()),
                 path, outcome.measurement);
    const double rate = static_cast<double>(traffic.served.size()) / traffic.seconds;
    if (rate > best.requests_per_second) best = {streams, rate};
  }
  return best;
}

// The loop ends early when too many requests fail: those that still wait then were not too many.
void warn_of_lost(const measure::Traffic& traffic, double rate, double end, LoadOutcome& outcome) {
  constexpr double kGrain = 1e-6;
  const std::size_t failed = traffic.errors.size(), unserved = traffic.unserved.size();
  if (failed > 0)
    outcome.warnings.push_back(str("open loop: ", failed, " of ",
                                   traffic.served.size() + failed + unserved,
                                   " requests failed: ", traffic.errors.front()));
  if (unserved > 0 && traffic.seconds + kGrain >= end)
    outcome.warnings.push_back(str(unserved, " of ", traffic.served.size() + failed + unserved,
                                   " arrivals were not answered in time: ", rate,
                                   " requests/s are more than it serves"));
}

Result<void> open_loop(LoadOutcome& outcome, const Subject& subject, const LoadRequest& load,
                       const Best& best, double seconds, Context& context) {
  const double rate = load.rate.value_or(kUsualLoad * best.requests_per_second);
  tell(context, str("open loop, ", rate, " requests/s"));
  STROP_TRY(Crew crew, open_crew(subject, best.streams, context));
  CrewServer server(crew, asking(subject, context));
  STROP_CHECK(server.warm_up());
  const auto arrivals = measure::poisson_arrivals(rate, seconds, context.request().goal.seed);
  const double drain_seconds = seconds / 4;
  const measure::Traffic traffic =
      measure::open_loop(server, arrivals, drain_seconds, measure::steady_clock(), context.stop());
  STROP_CHECK(check_stop(context.stop()));
  STROP_TRY(const std::string path, keep(traffic, "open.json", context));
  MetricContext at = load_context(subject, context, best.streams);
  at.arrival_rate = rate;
  measure::add(measure::traffic_figures(traffic, at, subject.of_text()), path, outcome.measurement);
  if (!arrivals.empty()) warn_of_lost(traffic, rate, arrivals.back() + drain_seconds, outcome);
  return {};
}

std::optional<std::uint64_t> last_cache_bytes() {
  const long bytes = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
  if (bytes <= 0) return {};
  return static_cast<std::uint64_t>(bytes);
}

const Metric* rate_of(const Measurement& measurement, const std::string& name) {
  const auto found = std::find_if(measurement.metrics.rbegin(), measurement.metrics.rend(),
                                  [&](const Metric& metric) { return metric.metric == name; });
  return found == measurement.metrics.rend() ? nullptr : &*found;
}

void add_decode_rate(LoadOutcome& outcome, DecoderSession& decoder, const Subject& subject,
                     Context& context) {
  const std::uint32_t new_tokens = std::max(2u, context.request().goal.workload.new_tokens);
  std::vector<double> rates;
  for (std::size_t i = 0; i < kLeastRequests; ++i) {
    if (!decoder.truncate(0, 0)) return;
    const auto one = decoder.generate(0, subject.prompt, new_tokens, context.stop());
    if (!one || !(one->seconds.back() > one->seconds.front())) return;
    rates.push_back((new_tokens - 1) / (one->seconds.back() - one->seconds.front()));
  }
  const auto median = measure::bootstrap_median(rates);
  outcome.measurement.metrics.push_back(
      {.metric = "decode_rate",
       .unit = "tokens/s",
       .context = {.prompt_tokens = static_cast<std::uint32_t>(subject.prompt.size()),
                   .new_tokens = new_tokens,
                   .depth = static_cast<std::uint32_t>(subject.prompt.size())},
       .value = median.value,
       .interval = median.interval,
       .samples = static_cast<std::uint32_t>(rates.size())});
}

Result<Subject> subject_of(const std::string& name, const LoadRequest& load, Context& context) {
  Subject subject;
  STROP_TRY(subject.artifact, artifact_at(name, context));
  subject.engine_version = context.worker(subject.artifact.backend).info().version;
  STROP_TRY(const auto worker, open_one(subject, {}, context));
  const SessionInfo& info = worker->session().info();
  subject.has_threads = info.run_options.contains("threads");
  if (TensorSession* const session = worker->session().tensors()) {
    if (load.prompts != LoadRequest().prompts)
      return Error{.code = ErrorCode::invalid_input,
                   .message = str("[measure] --prompts is for language models, and ",
                                  subject.artifact.entry, " takes tensors"),
                   .hint = "Leave it out.",
                   .field = "--prompts"};
    STROP_TRY(SampleQuestions questions, questions_for(subject.artifact, context));
    STROP_TRY(subject.sample, usual_sample(questions.count, questions.sample));
    STROP_TRY(const auto seconds, trial_seconds(*session, subject.sample));
    subject.inferences = inferences_of_request(measure::median(seconds));
    subject.note = std::move(questions.warning);
    return subject;
  }
  const auto text = text_for(subject.artifact, context);
  if (text) {
    subject.prompt = text->prompt;
  } else {
    subject.prompt = random_ids(context.request().goal.workload.prompt_tokens, info.vocabulary_size,
                                context.request().goal.seed);
    subject.note = "the prompt is of random ids: " + text.error().message;
  }
  return subject;
}

// Inferences one after the other, then several samples at once.
Result<void> time_inferences(LoadOutcome& outcome, const Subject& subject, WorkerSession& worker,
                             double seconds, Context& context) {
  Measurement& measurement = outcome.measurement;
  tell(context, "one inference after the other");
  const measure::Contestant contestant = asking(subject, context)(worker);
  const Stopwatch watch;
  std::vector<measure::Request> requests;
  while (requests.size() < kMostRequests &&
         (requests.size() < kLeastRequests + 1 || watch.seconds() < seconds)) {
    STROP_TRY(requests.emplace_back(), contestant.request());
  }
  requests.erase(requests.begin());  // warm-up
  for (Metric& metric : measure::inference_metrics(requests))
    measurement.metrics.push_back(std::move(metric));
  for (Unmeasured& lacking : measure::lacking_percentiles(measurement.metrics))
    measurement.not_measured.push_back(std::move(lacking));
  tell(context, "several samples at once");
  const auto model = read_model(fs::path(subject.artifact.folder) / subject.artifact.entry);
  const auto batching = [&]() -> Result<measure::Batching> {
    if (!model) return model.error();
    if (!is_batchable(*model))
      return Error{ErrorCode::unsupported, "the model takes one sample at a time"};
    return best_batch_of(worker, subject.sample, context.stop());
  }();
  if (!batching && batching.error().code == ErrorCode::cancelled) return batching.error();
  if (!batching) {
    measurement.not_measured.push_back({"batch_throughput", {}, batching.error().message});
    return {};
  }
  for (Metric& metric : measure::batch_metrics(*batching))
    measurement.metrics.push_back(std::move(metric));
  return {};
}

// Times to the first token, the decode rate, sequences together.
Result<void> time_decoder(LoadOutcome& outcome, const Subject& subject, const LoadRequest& load,
                          DecoderSession& decoder, double budget, Context& context) {
  STROP_CHECK(time_prompts(outcome, subject, load, decoder, kPromptShare * budget, context));
  add_decode_rate(outcome, decoder, subject, context);
  return time_batches(outcome, subject, decoder, kBatchShare * budget, context);
}

// What the machine would allow the model, where tokens tell.
void hold_against_machine(LoadOutcome& outcome, const Subject& subject, Context& context) {
  tell(context, "what the machine allows");
  const auto machine = machine_ceilings(cores_of(context));
  const auto model = read_model(fs::path(subject.artifact.folder) / subject.artifact.entry);
  if (machine && model)
    return add_ceilings(outcome.measurement, *model, model->weight_bytes, *machine);
  for (const char* metric : {"decode_ceiling", "prefill_ceiling"})
    outcome.measurement.not_measured.push_back(
        {metric, {}, machine ? model.error().message : machine.error().message});
}

}  // namespace

Result<measure::MachineCeilings> machine_ceilings(std::uint32_t threads) {
  std::uint64_t buffer = measure::buffer_for_cache(last_cache_bytes());
  if (const auto available = os::available_memory()) buffer = std::min(buffer, *available / 4);
  return measure::measure_ceilings(threads, kCeilingSeconds, buffer);
}

void add_ceilings(Measurement& measurement, const Model& model, std::uint64_t weight_bytes,
                  const measure::MachineCeilings& machine) {
  const auto add = [&](const char* phase, const char* metric, bool at_once) {
    const Metric* rate = rate_of(measurement, metric);
    measure::TokenCost cost{.weight_bytes = weight_bytes,
                            .parameters = model.parameter_count.value_or(0)};
    if (rate) {
      if (at_once) cost.tokens_at_once = std::max(1u, rate->context.prompt_tokens.value_or(1));
      const double depth = at_once ? 0 : rate->context.depth.value_or(0);
      if (model.cache_width && model.layer_count)
        cost.cache_bytes = static_cast<std::uint64_t>(depth * *model.cache_width *
                                                      *model.layer_count * kCacheValueBytes);
      if (const auto ceiling = measure::ceiling_of(phase, cost, machine, *rate)) {
        measurement.ceilings.push_back(*ceiling);
        return;
      }
    }
    measurement.not_measured.push_back(
        {str(phase, "_ceiling"),
         {},
         rate ? "the model's parameters or the size of its weights are not known"
              : str(metric, " was not measured")});
  };
  add("decode", "decode_rate", false);
  add("prefill", "prefill_rate", true);
}

namespace {

// Not of trials that failed, or whose times say nothing here.
bool has(const Trial& trial, const char* metric) {
  return trial.measurement && trial.status == TrialStatus::ok && trial.artifact &&
         find(*trial.measurement, metric);
}

Result<void> add_all_ceilings(Report& report, Context& context) {
  const auto decodes = [](const Trial& trial) { return has(trial, "decode_rate"); };
  const auto first = std::find_if(report.trials.begin(), report.trials.end(), decodes);
  if (first == report.trials.end()) return {};
  const std::uint32_t threads = std::max(1u, first->measurement->conditions.threads);
  // Two numbers; none when they could not be had.
  STROP_TRY(const auto known,
            context.step<std::vector<double>>(
                Stage::measure, "what the machine allows", {{"threads", threads}},
                [&]() -> Result<std::vector<double>> {
                  const auto machine = machine_ceilings(threads);
                  if (!machine) return std::vector<double>();
                  return std::vector{machine->bytes_per_second, machine->operations_per_second};
                }));
  for (Trial& trial : report.trials) {
    if (!decodes(trial)) continue;
    if (known.size() == 2)
      add_ceilings(
          *trial.measurement, *report.model, trial.artifact->total_bytes,
          {.bytes_per_second = known[0], .operations_per_second = known[1], .threads = threads});
    else
      trial.measurement->not_measured.push_back(
          {"decode_ceiling", {}, "the machine had no memory to measure its bandwidth with"});
  }
  return {};
}

// Contestants take turns, and a counter is the whole machine's.
void add_why_no_energy(Measurement& measurement, const std::string& no_counter) {
  const MetricContext& request = find(measurement, "request_time")->context;
  const std::string metric = energy_metric(request);
  if (find(measurement, metric)) return;
  const std::string where = request.inferences ? "" : "strop measure ARTIFACT --load, or ";
  measurement.not_measured.push_back(
      {metric,
       {},
       no_counter.empty() ? str("contestants take turns, and the counter is the whole machine's: ",
                                where, "--profile production")
                          : no_counter});
}

}  // namespace

Result<void> hold_against_machine(Report& report, Context& context) {
  STROP_CHECK(add_all_ceilings(report, context));
  const auto counters = measure::find_counters(kSys);
  const std::string no_counter = counters ? std::string() : counters.error().message;
  for (Trial& trial : report.trials)
    if (has(trial, "request_time")) add_why_no_energy(*trial.measurement, no_counter);
  return {};
}

const char* energy_metric(const MetricContext& request) {
  return request.inferences ? "energy_per_inference" : "energy_per_token";
}

void add_energy(Measurement& measurement, const measure::Contestant& contestant,
                const MetricContext& at, double seconds, std::stop_token stop) {
  const auto not_measured = [&](const std::string& why) {
    measurement.not_measured.push_back({energy_metric(at), at, why});
  };
  const auto counters = measure::find_counters(kSys);
  if (!counters) return not_measured(counters.error().message);
  std::vector<measure::EnergyWindow> windows;
  for (std::uint32_t i = 0; i < kEnergyWindows && !stop.stop_requested(); ++i) {
    const auto before = measure::read_counters(*counters);
    const Stopwatch idle;
    std::this_thread::sleep_for(std::chrono::duration<double>(kIdleSeconds));
    const double idle_seconds = idle.seconds();
    const auto between = measure::read_counters(*counters);
    const Stopwatch working;
    double moments = 0;
    do {
      const auto one = contestant.request();
      if (!one) return not_measured(one.error().message);
      moments += static_cast<double>(one->seconds.size());
    } while (working.seconds() < seconds / kEnergyWindows - kIdleSeconds);
    const double working_seconds = working.seconds();
    const auto after = measure::read_counters(*counters);
    if (!before || !between || !after) return not_measured("the counter went away");
    windows.push_back(
        {.idle_watts = measure::joules_between(*counters, *before, *between) / idle_seconds,
         .joules = measure::joules_between(*counters, *between, *after),
         .seconds = working_seconds,
         .tokens = moments});
  }
  const auto estimate = measure::joules_per_token(windows);
  if (!estimate) return not_measured("too few windows of time");
  measurement.metrics.push_back({.metric = energy_metric(at),
                                 .unit = "J",
                                 .context = at,
                                 .value = estimate->value,
                                 .interval = estimate->interval,
                                 .samples = static_cast<std::uint32_t>(windows.size())});
}

Result<LoadOutcome> load_artifact(const std::string& name, const LoadRequest& load,
                                  Context& context) {
  const Goal& goal = context.request().goal;
  const double budget = goal.budget.wall_seconds;
  STROP_TRY(const Subject subject, subject_of(name, load, context));
  LoadOutcome outcome{
      .tool_version = std::string(version()), .name = name, .artifact = subject.artifact};
  Measurement& measurement = outcome.measurement;
  measurement.artifact_id = subject.artifact.id;
  const auto load_sampler = measure::machine_load();
  const auto load_before = load_sampler->read();
  std::vector<measure::Climate> climate{measure::read_climate(kSys)};
  {
    STROP_TRY(const auto worker, open_one(subject, options_of(subject, 1, context), context));
    measurement.run_options = worker->session().info().run_options;
    measurement.conditions = conditions_of(*worker, subject.engine_version, goal.seed);
    measurement.conditions.threads = cores_of(context);
    if (DecoderSession* const decoder = worker->session().decoder()) {
      STROP_CHECK(time_decoder(outcome, subject, load, *decoder, budget, context));
    } else {
      STROP_CHECK(time_inferences(outcome, subject, *worker, kPromptShare * budget, context));
    }
    tell(context, "energy");
    add_energy(measurement, asking(subject, context)(*worker), load_context(subject, context, 1),
               kEnergyShare * budget, context.stop());
    STROP_CHECK(check_stop(context.stop()));
  }
  climate.push_back(measure::read_climate(kSys));
  if (subject.of_text()) hold_against_machine(outcome, subject, context);
  STROP_TRY(const Best best, closed_loops(outcome, subject, load, kClosedShare * budget, context));
  climate.push_back(measure::read_climate(kSys));
  STROP_CHECK(open_loop(outcome, subject, load, best, kOpenShare * budget, context));
  climate.push_back(measure::read_climate(kSys));
  measure::note(climate, measurement.conditions);
  if (load_before) {
    if (const auto load_after = load_sampler->read()) {
      const auto foreign = measure::foreign_load(*load_before, *load_after);
      measurement.conditions.foreign_load = foreign.cores;
      measurement.conditions.steal_ratio = foreign.steal;
      if (foreign.cores > 0.25)
        outcome.warnings.push_back(str("others used ", foreign.cores,
                                       " cores meanwhile: absolute figures are worth little"));
    }
  }
  if (const std::string warning = measure::climate_warning(measurement.conditions);
      !warning.empty())
    outcome.warnings.push_back(warning);
  if (!subject.note.empty()) outcome.warnings.push_back(subject.note);
  return outcome;
}

}  // namespace strop::pipeline
