// Two artifacts side by side: the same requests in turns, then the same questions to both.
#include "pipeline/contrast.h"

#include <algorithm>
#include <cmath>

#include "core/clock.h"
#include "pipeline/artifact_source.h"
#include "pipeline/golden.h"
#include "pipeline/pair_exam.h"

namespace strop::pipeline {
namespace {

using measure::Better;
using measure::RatioEvidence;
using measure::Timing;

constexpr double kOpenShare = 0.15;     // of the budget: fresh openings,
constexpr double kTimeShare = 0.45;     // requests in turns,
constexpr double kQualityShare = 0.35;  // questions to both
constexpr std::uint32_t kMostOpenings = 8;

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
  return context.open(artifact.backend, artifact, options_of(context));
}

Result<void> check(const Contender& contender, WorkerSession& worker, Context& context) {
  return check_beside(contender.artifact, options_of(context), contender.engine_version, worker,
                      context);
}

struct Sides {
  Contender first, second;
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

Result<std::unique_ptr<PairExam>> exam_for(const Sides& sides, WorkerSession& one,
                                           WorkerSession& other, Context& context) {
  const bool text = one.session().decoder(), other_text = other.session().decoder();
  if (text && other_text)
    return make_text_pair_exam(sides.first.artifact, one, sides.second.artifact, other, context);
  if (one.session().tensors() && other.session().tensors())
    return make_sample_pair_exam(sides.first.artifact, one, context);
  return Error{.code = ErrorCode::invalid_input,
               .message = str("[measure] ", (text ? sides.first : sides.second).artifact.entry,
                              " continues text and ",
                              (text ? sides.second : sides.first).artifact.entry, " does not"),
               .hint = "Compare two of one kind.",
               .field = "B",
               .value = sides.second.artifact.entry};
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
  contrast.differences.push_back(judged("peak_memory", "bytes", one, other, evidence, Better::lower,
                                        margin, 1, "peak memory"));
}

}  // namespace

Result<Contrast> contrast_artifacts(const std::string& first, const std::string& second,
                                    double margin, Context& context) {
  constexpr Stage kStage = Stage::measure;
  const double budget = context.request().goal.budget.wall_seconds;
  Sides sides;
  STROP_TRY(sides.first, contender_at(first, context));
  STROP_TRY(sides.second, contender_at(second, context));

  context.tell({.kind = Event::Kind::work, .stage = kStage, .subject = "open both"});
  STROP_TRY(const Columns openings, time_openings(sides, kOpenShare * budget, context));
  STROP_TRY(const Opening one, opened(sides.first, context));
  STROP_TRY(const Opening other, opened(sides.second, context));
  STROP_TRY(const Opening again, opened(sides.first, context));
  STROP_TRY(const auto exam, exam_for(sides, *one, *other, context));

  context.tell({.kind = Event::Kind::work, .stage = kStage, .subject = "requests in turns"});
  const std::vector<measure::Contestant> contestants{
      exam->contestant("first", *one, context.stop()),
      exam->contestant("second", *other, context.stop()),
      exam->contestant("first again", *again, context.stop())};
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
  out.push_back(timed("request_time", "s", columns_of(timing, measure::request_seconds),
                      Better::lower, margin, "request time"));
  for (Difference& part : exam->parts_of_request(timing, margin)) out.push_back(std::move(part));
  add_memory(contrast, *one, *again, *other, margin);
  // Only now: the outputs that are compared raise a peak.
  STROP_CHECK(check(sides.first, *one, context));
  STROP_CHECK(check(sides.second, *other, context));
  STROP_CHECK(check(sides.first, *again, context));
  out.push_back(timed("load_time", "s", openings, Better::lower, margin, "load time"));
  const auto first_bytes = static_cast<double>(sides.first.artifact.total_bytes);
  const auto second_bytes = static_cast<double>(sides.second.artifact.total_bytes);
  out.push_back(judged("total_bytes", "bytes", first_bytes, second_bytes,
                       {.ratio = std::max(1.0, second_bytes) / std::max(1.0, first_bytes)},
                       Better::lower, margin, 1, "size on disk"));

  STROP_TRY(auto answers,
            exam->quality(*one, *other, timing, margin, kQualityShare * budget, context));
  for (Difference& answer : answers) out.push_back(std::move(answer));
  if (const std::string warning = exam->warning(); !warning.empty())
    contrast.warnings.push_back(warning);
  add_warnings(contrast, timing, timing.series.front().requests.size());
  contrast.overall = measure::overall(out);
  return contrast;
}

}  // namespace strop::pipeline
