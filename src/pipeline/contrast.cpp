// Two artifacts side by side. The same requests in turns, then the same ids through both.
#include "pipeline/contrast.h"

#include <algorithm>
#include <cmath>

#include "core/clock.h"
#include "measure/contrast.h"
#include "measure/random.h"
#include "measure/ruler.h"
#include "measure/speed.h"
#include "pipeline/artifact_source.h"
#include "pipeline/exam.h"
#include "pipeline/golden.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

using measure::Better;
using measure::RatioEvidence;
using measure::Timing;

constexpr double kOpenShare = 0.15;  // of the budget: fresh openings,
constexpr double kTimeShare = 0.45;  // requests in turns,
constexpr double kTextShare = 0.35;  // text through both
constexpr std::uint32_t kMostOpenings = 8;
constexpr std::size_t kLeastScored = 256;  // tokens
constexpr double kAccuracyMargin = 0.005;  // of the likelihood per token

using Opening = std::unique_ptr<WorkerSession>;

struct Contender {
  Artifact artifact;
  std::string engine_version;
};

Result<Contender> contender_at(const std::string& name, Context& context) {
  Contender found;
  STROP_TRY(found.artifact, artifact_at(name, context));
  found.engine_version = context.worker(found.artifact.backend).info().version;
  return found;
}

RunOptions options_of(const Context& context) {
  const std::uint32_t threads = context.request().goal.workload.threads;
  return threads > 0 ? RunOptions{{"threads", str(threads)}} : RunOptions{};
}

Result<Opening> opened(const Contender& contender, Context& context) {
  const Artifact& artifact = contender.artifact;
  STROP_TRY(auto worker, context.open(artifact.backend, artifact, options_of(context)));
  if (worker->session().decoder()) return worker;
  return Error{.code = ErrorCode::unsupported,
               .message = str("[measure] ", artifact.backend, " opened ", artifact.entry,
                              " as no decoder, and only decoders can be compared here"),
               .hint = "Compare two runs of such models instead: strop measure RUN1 RUN2"};
}

Result<void> check(const Contender& contender, WorkerSession& worker, Context& context) {
  return check_beside(contender.artifact, options_of(context), contender.engine_version, worker,
                      context);
}

// A difference of times or sizes, judged.
Difference difference(const char* metric, const char* unit, double first, double second,
                      const RatioEvidence& evidence, Better better, double margin,
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

Difference unmeasured(const char* metric, const std::string& why) {
  return {.metric = metric, .finding = Finding::not_measured, .reason = str("not measured: ", why)};
}

// Columns of one table: values of the first, the second, and the first again, row by row.
struct Columns {
  std::vector<double> first, second, again;
  bool stopped = false;    // the rounds ended once the interval was narrow
  bool disturbed = false;  // by others, in too many rounds
};

Difference timed_difference(const char* metric, const char* unit, const Columns& columns,
                            Better better, double margin, const std::string& what) {
  const auto over_first = [&](const std::vector<double>& column) {
    return columns.stopped ? measure::stopped_ratio(column, columns.first)
                           : measure::paired_ratio(column, columns.first);
  };
  const measure::Estimate ratio = over_first(columns.second);
  const auto pairs = static_cast<std::uint32_t>(columns.first.size());
  return difference(metric, unit, measure::median(columns.first), measure::median(columns.second),
                    {.ratio = ratio.value,
                     .interval = ratio.interval,
                     .control = over_first(columns.again).interval,
                     .timed = true,
                     .pairs = pairs,
                     .disturbed = columns.disturbed},
                    better, margin, pairs, what);
}

template <class Value>
Columns columns_of(const Timing& timing, const Value& value) {
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

struct Sides {
  Contender first, second;
  std::uint32_t context = 0;  // tokens that both hold
};

// An opening of each that does not count: it warms the caches, and tells early what is broken.
Result<void> try_openings(const Sides& sides, Context& context) {
  for (const Contender* contender : {&sides.first, &sides.second}) {
    STROP_TRY(const Opening opening, opened(*contender, context));
    STROP_CHECK(check(*contender, *opening, context));
  }
  return {};
}

// Fresh openings in turns. Nothing is asked of them.
Result<Columns> time_openings(const Sides& sides, double seconds, Context& context) {
  STROP_CHECK(try_openings(sides, context));
  const Stopwatch watch;
  Columns columns;
  while (columns.first.size() < kMostOpenings &&
         (columns.first.size() < measure::kLeastPairs || watch.seconds() < seconds)) {
    std::vector<std::pair<const Contender*, std::vector<double>*>> turn{
        {&sides.first, &columns.first},
        {&sides.second, &columns.second},
        {&sides.first, &columns.again}};
    if (columns.first.size() % 2 == 1) std::reverse(turn.begin(), turn.end());
    for (const auto& [contender, column] : turn) {
      STROP_TRY(const Opening opening, opened(*contender, context));
      const double took = opening->session().info().load_seconds;
      column->push_back(std::max(took, 1e-6));  // below the clock's grain
    }
  }
  return columns;
}

// What both read, or why there is no text.
struct Text {
  std::vector<TokenId> prompt;
  measure::Evaluation evaluation;
  std::string missing;
};

// Both tokenizers must cut the same text into the same ids, or the ids mean different things.
Result<void> check_same_tokenizer(const Sides& sides, Context& context) {
  constexpr std::string_view kSample =
      "Does it cut alike? 3.14159 caf\u00e9 \u2014 naïve, don't; \tx = f(y)[2];\n\n\u4f60\u597d";
  STROP_TRY(const auto first, tokenizer_of(sides.first.artifact, context));
  STROP_TRY(const auto second, tokenizer_of(sides.second.artifact, context));
  STROP_TRY(const auto one, first->encode(kSample, true, false));
  STROP_TRY(const auto other, second->encode(kSample, true, false));
  if (one == other && first->info().vocabulary_size == second->info().vocabulary_size) return {};
  return Error{.code = ErrorCode::invalid_input,
               .message =
                   "the two have different tokenizers, so their likelihoods per token are "
                   "not comparable"};
}

Text read_text(const Sides& sides, std::uint32_t vocabulary, Context& context) {
  const Goal& goal = context.request().goal;
  Text text;
  const auto found = [&]() -> Result<EvaluationText> {
    STROP_CHECK(check_same_tokenizer(sides, context));
    return text_for(sides.first.artifact, context);
  }();
  if (found) {
    text.prompt = found->prompt;
    text.evaluation = found->evaluation;
  } else {
    text.prompt = random_ids(goal.workload.prompt_tokens, vocabulary, goal.seed);
    text.missing = found.error().message;
  }
  return text;
}

// Sequences no longer than both contexts, as many tokens as the time allows.
measure::Evaluation affordable(const measure::Evaluation& all, std::size_t longest,
                               std::size_t tokens) {
  measure::Evaluation some;
  std::size_t taken = 0;
  for (const auto& sequence : all.sequences) {
    for (std::size_t begin = 0; begin + 1 < sequence.size() && taken < tokens; begin += longest) {
      const std::size_t end =
          std::min({sequence.size(), begin + longest, begin + tokens - taken + 1});
      some.sequences.emplace_back(sequence.begin() + static_cast<std::ptrdiff_t>(begin),
                                  sequence.begin() + static_cast<std::ptrdiff_t>(end));
      taken += end - begin;
    }
  }
  return some;
}

// Likelihoods of the second against the first's, and how far its predictions are from the first's.
void add_quality(Contrast& contrast, const measure::QualitySamples& samples, double margin) {
  const measure::Clusters clusters = measure::clusters_of(samples, 256);
  const auto pairs = static_cast<std::uint32_t>(samples.size());
  const measure::Estimate kl = measure::cluster_mean(samples.kl, clusters);
  const bool one_run = clusters.count < 2;
  Difference distance{.metric = "kl_mean",
                      .unit = "nats",
                      .second = kl.value,
                      .interval = one_run ? std::nullopt : std::optional(kl.interval),
                      .pairs = pairs,
                      .margin = measure::kSameKl};
  distance.finding = measure::judge_distance(kl.value, distance.interval, measure::kSameKl);
  distance.reason = str("KL from the first's predictions to the second's is ", kl.value,
                        " nats; up to ", measure::kSameKl, " they count as the same");
  contrast.differences.push_back(distance);

  std::vector<double> gains(samples.size());
  std::transform(samples.nll_candidate.begin(), samples.nll_candidate.end(),
                 samples.nll_reference.begin(), gains.begin(), std::minus<>());
  const measure::Estimate ratio = measure::cluster_exp_mean(gains, clusters);
  const RatioEvidence evidence{.ratio = ratio.value,
                               .interval = one_run ? std::nullopt : std::optional(ratio.interval)};
  contrast.differences.push_back(
      difference("perplexity", "ratio", std::exp(measure::mean(samples.nll_reference)),
                 std::exp(measure::mean(samples.nll_candidate)), evidence, Better::lower,
                 std::min(margin, kAccuracyMargin), pairs, "perplexity on the same tokens"));
}

Side side_of(const std::string& name, const Contender& contender, WorkerSession& worker,
             const Timing& timing, const Context& context) {
  Side side{
      .name = name,
      .artifact = contender.artifact,
      .machine = "this machine",
      .conditions = conditions_of(worker, contender.engine_version, context.request().goal.seed)};
  if (timing.load) {
    side.conditions.foreign_load = timing.load->cores;
    side.conditions.steal_ratio = timing.load->steal;
  }
  return side;
}

void add_warnings(Contrast& contrast, const Timing& timing, std::size_t rounds) {
  const Conditions &one = contrast.first.conditions, &other = contrast.second.conditions;
  if (one.threads != other.threads)
    contrast.warnings.push_back(
        str("they ran with ", one.threads, " and ", other.threads, " threads"));
  if (one.engine_version != other.engine_version &&
      contrast.first.artifact->backend == contrast.second.artifact->backend)
    contrast.warnings.push_back(
        str("different engine versions: ", one.engine_version, " and ", other.engine_version));
  if (timing.disturbed > 0)
    contrast.warnings.push_back(str(timing.disturbed, " rounds were disturbed by others",
                                    rounds > timing.disturbed ? " and repeated" : ""));
  if (!timing.settled)
    contrast.warnings.push_back(
        str("the intervals did not become as narrow as a difference of ",
            contrast.differences.front().margin * 100,
            " % needs: a longer --budget or a calmer machine may tell more"));
}

void add_memory(Contrast& contrast, WorkerSession& first, WorkerSession& again,
                WorkerSession& second, double margin) {
  const auto peak = [](WorkerSession& worker) {
    return static_cast<double>(worker.process().memory_peak().at_peak.total());
  };
  const double one = std::max(peak(first), peak(again)), other = peak(second);
  if (!(one > 0 && other > 0)) {
    contrast.differences.push_back(
        unmeasured("peak_memory", "the workers lived too short for a reading"));
    return;
  }
  // Two fresh processes of the same thing say how far apart two peaks may be.
  const double low = std::min(peak(first), peak(again));
  RatioEvidence evidence{.ratio = other / one};
  if (low > 0) evidence.control = Interval{low / one, one / low};
  contrast.differences.push_back(difference("peak_memory", "bytes", one, other, evidence,
                                            Better::lower, margin, 1, "peak memory"));
}

}  // namespace

Result<Contrast> contrast_artifacts(const std::string& first, const std::string& second,
                                    double margin, Context& context) {
  constexpr Stage kStage = Stage::measure;
  const Goal& goal = context.request().goal;
  const double budget = goal.budget.wall_seconds;
  Sides sides;
  STROP_TRY(sides.first, contender_at(first, context));
  STROP_TRY(sides.second, contender_at(second, context));

  context.tell({.kind = Event::Kind::work, .stage = kStage, .subject = "open both"});
  STROP_TRY(const Columns openings, time_openings(sides, kOpenShare * budget, context));
  STROP_TRY(const Opening one, opened(sides.first, context));
  STROP_TRY(const Opening other, opened(sides.second, context));
  STROP_TRY(const Opening again, opened(sides.first, context));
  const SessionInfo &info = one->session().info(), &other_info = other->session().info();
  sides.context = std::min(info.context_length, other_info.context_length);
  Text text = read_text(sides, std::min(info.vocabulary_size, other_info.vocabulary_size), context);
  if (text.missing.empty() && info.vocabulary_size != other_info.vocabulary_size)
    text.missing = "their rows of logits differ in width";

  context.tell({.kind = Event::Kind::work, .stage = kStage, .subject = "requests in turns"});
  const std::uint32_t tokens = goal.workload.new_tokens;
  const std::vector<measure::Contestant> contestants{
      continuation("first", *one, {text.prompt}, tokens, context.stop()),
      continuation("second", *other, {text.prompt}, tokens, context.stop()),
      continuation("first again", *again, {text.prompt}, tokens, context.stop())};
  const auto load = measure::machine_load();
  STROP_TRY(
      const Timing timing,
      measure::time_rounds(contestants,
                           {.max_rounds = 80,
                            .target_half_width = std::log1p(margin) / 3,  // as findings are judged
                            .max_seconds = kTimeShare * budget},
                           measure::steady_clock(), load.get(), context.stop()));

  Contrast contrast{.tool_version = std::string(version()), .date = now_utc()};
  contrast.first = side_of(first, sides.first, *one, timing, context);
  contrast.second = side_of(second, sides.second, *other, timing, context);
  auto& out = contrast.differences;
  out.push_back(timed_difference(
      "request_time", "s",
      columns_of(timing, [](const measure::Request& r) { return r.seconds.back(); }), Better::lower,
      margin, "request time"));
  const Columns to_first =
      columns_of(timing, [](const measure::Request& r) { return r.seconds.front() * 1000; });
  out.push_back(timed_difference("time_to_first_token", "ms", to_first, Better::lower, margin,
                                 "time to first token"));
  if (tokens > 1) {
    const auto rate = [](const measure::Request& r) {
      return static_cast<double>(r.seconds.size() - 1) / (r.seconds.back() - r.seconds.front());
    };
    out.push_back(timed_difference("decode_rate", "tokens/s", columns_of(timing, rate),
                                   Better::higher, margin, "decode rate"));
  }
  add_memory(contrast, *one, *again, *other, margin);
  // Only now: the rows of logits that are compared raise a peak.
  STROP_CHECK(check(sides.first, *one, context));
  STROP_CHECK(check(sides.second, *other, context));
  STROP_CHECK(check(sides.first, *again, context));
  out.push_back(timed_difference("load_time", "s", openings, Better::lower, margin, "load time"));
  const auto first_bytes = static_cast<double>(sides.first.artifact.total_bytes);
  const auto second_bytes = static_cast<double>(sides.second.artifact.total_bytes);
  out.push_back(difference("total_bytes", "bytes", first_bytes, second_bytes,
                           {.ratio = std::max(1.0, second_bytes) / std::max(1.0, first_bytes)},
                           Better::lower, margin, 1, "size on disk"));

  if (!text.missing.empty()) {
    for (const char* metric : {"kl_mean", "perplexity"})
      out.push_back(unmeasured(metric, text.missing));
  } else {
    // A prompt tells what a token costs both of them.
    const double per_token = measure::median(to_first.first) + measure::median(to_first.second);
    const double seconds = per_token / 1000 / static_cast<double>(text.prompt.size());
    const auto affords = static_cast<std::size_t>(kTextShare * budget / std::max(seconds, 1e-9));
    StepProgress progress(context, kStage, "the same text through both");
    STROP_TRY(const auto samples,
              measure::score_in_step(
                  *one->session().decoder(), *other->session().decoder(),
                  affordable(text.evaluation, sides.context, std::max(affords, kLeastScored)),
                  &progress, context.stop()));
    add_quality(contrast, samples, margin);
  }
  if (!text.missing.empty())
    contrast.warnings.push_back(str("the prompt is of random ids: ", text.missing));
  add_warnings(contrast, timing, timing.series.front().requests.size());
  contrast.overall = measure::overall(out);
  return contrast;
}

}  // namespace strop::pipeline
