// The order of the stages, and the run folder around them.
#include "strop/run.h"

#include <array>

#include "core/clock.h"
#include "core/files.h"
#include "core/lock.h"
#include "core/units.h"
#include "formats/model_file.h"
#include "pipeline/evaluation_text.h"
#include "pipeline/lock_file.h"
#include "pipeline/optimize.h"
#include "pipeline/samples.h"
#include "pipeline/stages.h"
#include "pipeline/tasks.h"
#include "pipeline/toolchains.h"
#include "store/inventory.h"
#include "strop/json.h"
#include "strop/version.h"

namespace fs = std::filesystem;

namespace strop {
namespace {

using namespace pipeline;

struct NamedStage {
  Stage stage;
  Result<void> (*run)(Report&, Context&);
};

constexpr std::array kStages{
    NamedStage{Stage::assess,
               assess_stage},  // what the model and the target are, which backends can serve
    NamedStage{Stage::plan, plan_stage},          // which recipes, in which order, and why
    NamedStage{Stage::optimize, optimize_stage},  // recipes become artifacts
    NamedStage{Stage::measure, measure_stage},    // artifacts become measurements
    NamedStage{Stage::gate,
               gate_stage},  // measurements become verdicts, the front and the recommendation
    NamedStage{Stage::report, report_stage},  // plain words, files
};

Result<void> run_stage(const NamedStage& named, Report& report, Context& context) {
  context.tell({.kind = Event::Kind::stage, .stage = named.stage});
  STROP_CHECK(named.run(report, context));
  report.finished_stage = named.stage;
  return {};
}

// What must be the same when a run folder is used again.
Json identity_of(const RunRequest& request) {
  Json identity{{"model", request.model},
                {"target", request.target},
                {"confine", request.confine},
                {"goal", encode(request.goal)}};
  if (request.worker_memory_bytes) identity["worker_memory_bytes"] = *request.worker_memory_bytes;
  if (request.worker_silence_seconds)
    identity["worker_silence_seconds"] = *request.worker_silence_seconds;
  if (request.locked) identity["locked"] = id_of(encode(*request.locked));
  return identity;
}

// What makes and runs artifacts: numbers of one version must not stand beside those of another.
Result<Json> programs(Store& store) {
  Json found{{"strop", STROP_VERSION}};
  for (const fs::path& program : installed_workers()) {
    STROP_TRY(found[program.filename().string()], store.digest(program));
  }
  return found;
}

// "goal/budget/wall_seconds: was 300, now 60; other workers: convert, data". What a worker is made
// of is a digest that tells nobody anything.
std::string difference(const Json& before, const Json& now) {
  constexpr std::string_view kWorker = "/programs/strop-worker-";
  std::string text, workers;
  for (const auto& change : Json::diff(before, now)) {
    const auto path = change["path"].get<std::string>();
    if (path.starts_with(kWorker)) {
      workers += str(workers.empty() ? "other workers: " : ", ", path.substr(kWorker.size()));
      continue;
    }
    const Json::json_pointer where(path);
    const auto shown = [&](const Json& from) {
      return from.contains(where) ? text_of(from[where]) : std::string("not set");
    };
    text += str(text.empty() ? "" : "; ", path.substr(1), ": was ", shown(before), ", now ",
                shown(now));
  }
  return str(text, text.empty() || workers.empty() ? "" : "; ", workers);
}

Result<void> claim_folder(const RunRequest& request, Store& store) {
  const fs::path file = fs::path(request.out) / "run.json";
  Json now = identity_of(request);
  STROP_TRY(now["programs"], programs(store));
  std::error_code error;
  if (!fs::exists(file, error)) return write_whole(file, text_of(now, 2));
  STROP_TRY(const std::string text, read_text(file, 1u << 20));
  STROP_TRY(const Json before, parse_json(text, file.string()));
  if (before == now) return {};
  return Error{
      .code = ErrorCode::invalid_input,
      .message = str("[run] ", request.out,
                     " holds a run begun with other flags or programs: ", difference(before, now)),
      .hint = "Use the same ones to go on with it, or another folder with -o.",
      .field = "-o",
      .value = request.out};
}

Result<RunRequest> with_absolute_paths(RunRequest request) {
  std::error_code error;
  request.model = fs::weakly_canonical(request.model, error).string();
  if (!request.out.empty()) request.out = fs::weakly_canonical(request.out, error).string();
  // What is no data is said where it is read.
  if (const auto parts = data_parts(request.goal.evaluation_data);
      parts && !request.goal.evaluation_data.empty()) {
    request.goal.evaluation_data.clear();
    for (const DataPart& part : *parts)
      request.goal.evaluation_data +=
          str(request.goal.evaluation_data.empty() ? "" : ",", part.domain,
              part.domain.empty() ? "" : "=", fs::weakly_canonical(part.path, error).string());
  }
  if (!request.goal.evaluation_tasks.empty())
    request.goal.evaluation_tasks =
        fs::weakly_canonical(request.goal.evaluation_tasks, error).string();
  STROP_CHECK(check_can_be_named(request.model, "MODEL"));
  STROP_CHECK(check_can_be_named(request.out, "-o"));
  STROP_CHECK(check_can_be_named(request.goal.evaluation_data, "--data"));
  STROP_CHECK(check_can_be_named(request.goal.evaluation_tasks, "--eval"));
  return request;
}

// Said before any work is done.
Result<void> check_data(const Goal& goal) {
  if (!goal.evaluation_data.empty()) STROP_CHECK(data_parts(goal.evaluation_data));
  if (!goal.evaluation_tasks.empty()) STROP_CHECK(read_tasks(goal.evaluation_tasks));
  return {};
}

// What lies in the store for a report that was made stage by stage is needed as long as its folder
// is there.
Result<void> note_uses(const Report& report, Context& context) {
  for (const Trial& trial : report.trials)
    if (trial.artifact) STROP_CHECK(note_use(*trial.artifact, trial.recipe, report, context));
  return {};
}

// A store above its limit is no reason to end a run: it is told, and the run goes on.
void keep_store_small(const RunRequest& request, Context& context) {
  if (!request.store_limit_bytes) return;
  const auto cleaned = clean(context.store(), request.store_limit_bytes);
  if (!cleaned)
    context.note(Stage::none, cleaned.error().message);
  else if (cleaned->kept_bytes > *request.store_limit_bytes)
    context.note(Stage::none,
                 str("the store holds ", bytes_text(cleaned->kept_bytes),
                     ", more than its limit of ", bytes_text(*request.store_limit_bytes),
                     ": run folders need the rest (see strop store list)"));
}

}  // namespace

Result<Report> run(const RunRequest& asked, Observer& observer, std::stop_token stop) {
  STROP_TRY(const RunRequest request, with_absolute_paths(asked));
  // A folder is not claimed for something that is no model.
  STROP_TRY(const Model model, read_model(request.model));
  STROP_CHECK(check_data(request.goal));
  if (model.format == "onnx") STROP_CHECK(check_samples(model, request.goal));
  const fs::path out = request.out;
  STROP_CHECK(make_folder(out));
  STROP_TRY(const Lock lock, Lock::try_acquire(out / "lock", "the run folder"));
  STROP_TRY(Store store, Store::open_default());
  STROP_CHECK(claim_folder(request, store));
  STROP_TRY(Journal journal, Journal::open(out / "journal.jsonl"));
  Context context(request, observer, stop, std::move(store), std::move(journal));

  keep_store_small(request, context);

  Report report;
  report.tool_version = STROP_VERSION;
  report.goal = request.goal;
  report.run_id = id_of(identity_of(request)).substr(0, 16);
  STROP_TRY(report.started_at, context.step<std::string>(Stage::none, "start", {}, [] {
    return Result<std::string>(now_utc());
  }));
  for (const NamedStage& stage : kStages) STROP_CHECK(run_stage(stage, report, context));
  STROP_TRY(report.finished_at, context.step<std::string>(Stage::none, "finish", {}, [] {
    return Result<std::string>(now_utc());
  }));
  STROP_CHECK(write_report(report, request.out, request.out));
  STROP_TRY(const LockFile lock_file, lock_file_of(report, context));
  STROP_CHECK(write_changed(out / kLockFile, to_json(lock_file)));
  if (request.locked)
    STROP_CHECK(write_changed(out / "repeat.json", to_json(compare(*request.locked, lock_file))));
  keep_store_small(request, context);
  return report;
}

Result<Report> advance(Stage stage, Report report, const RunRequest& asked, Observer& observer,
                       std::stop_token stop) {
  STROP_TRY(const RunRequest request, with_absolute_paths(asked));
  STROP_CHECK(check_data(request.goal));
  if (!request.out.empty()) STROP_CHECK(make_folder(request.out));
  STROP_TRY(Store store, Store::open_default());
  Context context(request, observer, stop, std::move(store), std::nullopt);
  if (report.tool_version.empty()) {
    report.tool_version = STROP_VERSION;
    report.goal = request.goal;
    report.run_id = id_of(identity_of(request)).substr(0, 16);
    report.started_at = now_utc();
  }
  for (const NamedStage& named : kStages) {
    if (named.stage == stage) STROP_CHECK(run_stage(named, report, context));
  }
  if (!request.out.empty()) STROP_CHECK(note_uses(report, context));
  if (stage == Stage::report) {
    report.finished_at = now_utc();
    STROP_CHECK(write_report(report, request.out, request.out));
  }
  return report;
}

std::vector<BackendInfo> backends(bool confine) {
  std::vector<BackendInfo> all;
  WorkerPolicy policy{.confine = confine};
  if (const auto store = Store::open_default()) policy.cache = store->workers_cache();
  for (const fs::path& program : installed_workers())
    all.push_back(WorkerBackend(program, policy).info());
  for (WorkerCommand& command : toolchain_workers())
    all.push_back(WorkerBackend(std::move(command), policy).info());
  return all;
}

std::string to_json(const std::vector<BackendInfo>& all) { return text_of(encode(all), 2); }

std::string_view version() { return STROP_VERSION; }

}  // namespace strop
