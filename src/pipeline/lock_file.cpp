#include "pipeline/lock_file.h"

#include <set>

#include "core/files.h"
#include "pipeline/evaluation_text.h"
#include "report/repeat.h"

namespace fs = std::filesystem;

namespace strop {
namespace pipeline {
namespace {

Result<std::vector<PinnedData>> data_of(const Report& report, Context& context) {
  const fs::path share = context.where().share;
  const Goal& goal = report.goal;
  std::vector<PinnedData> data{
      {.what = "model", .path = report.model->path, .sha256 = report.model->id}};
  const auto pin = [&](const std::string& what, const fs::path& path) -> Result<void> {
    STROP_TRY(const std::string digest, context.store().digest_tree(path));
    data.push_back({.what = what, .path = path.string(), .sha256 = digest});
    return {};
  };
  if (goal.evaluation_data.empty()) {
    STROP_CHECK(pin("evaluation", share / "text"));
  } else {
    STROP_TRY(const auto parts, data_parts(goal.evaluation_data));
    for (const DataPart& part : parts)
      STROP_CHECK(pin(part.domain.empty() ? "evaluation" : "evaluation " + part.domain, part.path));
  }
  if (!goal.evaluation_tasks.empty()) STROP_CHECK(pin("tasks", goal.evaluation_tasks));
  STROP_CHECK(pin("rules", share / "plan"));
  return data;
}

std::string version_of(const std::string& backend, const Report& report) {
  for (const BackendFit& fit : report.assessment->fits) {
    if (fit.backend == backend) return fit.version;
  }
  return {};
}

// Those that made or ran something, and the one that made the ids.
Result<std::vector<PinnedWorker>> workers_of(const LockFile& lock, const Report& report,
                                             Context& context) {
  std::set<std::string> names{"text"};
  for (const PinnedTrial& trial : lock.trials) {
    names.insert(trial.recipe.backend);
    for (const Step& step : trial.recipe.steps) names.insert(step.worker);
    if (trial.recipe.stand_in) names.insert(trial.recipe.stand_in->backend);
  }
  std::vector<PinnedWorker> workers;
  for (const std::string& name : names) {
    STROP_TRY(const std::string digest, context.worker_digest(name));
    workers.push_back({.name = name, .version = version_of(name, report), .sha256 = digest});
  }
  return workers;
}

PinnedTrial pinned(const Trial& trial) {
  PinnedTrial pin{
      .id = trial.id,
      .role = trial.role,
      .recipe = trial.recipe,
      .run_preset = {.name = trial.run_preset, .options = trial.run_options, .note = ""},
      .artifact_id = trial.artifact->id,
      .files = trial.artifact->files};
  if (trial.measurement) pin.numbers = trial.measurement->metrics;
  return pin;
}

}  // namespace

Result<LockFile> lock_file_of(const Report& report, Context& context) {
  const RunRequest& request = context.request();
  LockFile lock{.tool_version = report.tool_version,
                .run_id = report.run_id,
                .date = report.finished_at,
                .target = request.target,
                .goal = report.goal,
                .confine = request.confine,
                .worker_memory_bytes = request.worker_memory_bytes,
                .worker_silence_seconds = request.worker_silence_seconds,
                .machine = report.target};
  for (const Trial& trial : report.trials) {
    if (trial.status == TrialStatus::ok && trial.artifact) lock.trials.push_back(pinned(trial));
  }
  STROP_TRY(lock.data, data_of(report, context));
  STROP_TRY(lock.workers, workers_of(lock, report, context));
  return lock;
}

}  // namespace pipeline

Result<LockFile> read_lock_file(const std::string& folder_or_file) {
  std::error_code error;
  fs::path file = folder_or_file;
  if (fs::is_directory(file, error)) file /= pipeline::kLockFile;
  auto text = read_text(file);
  if (!text) {
    if (text.error().code == ErrorCode::not_found)
      text.error().hint =
          str("Give the folder of a finished run, or its ", pipeline::kLockFile, ".");
    return std::move(text).error();
  }
  STROP_TRY(const Json json, parse_json(*text, file.string()));
  if (json.is_object() && json.value("schema_version", Json()) != Json(LockFile{}.schema_version))
    return Error{
        .code = ErrorCode::unsupported,
        .message = str(file.string(), ": schema_version must be ", LockFile{}.schema_version,
                       ", but got ", shown(json.value("schema_version", Json()))),
        .hint = "Repeat it with the version of strop that wrote it.",
        .field = "schema_version"};
  return decode<LockFile>(json, file.string());
}

Repeat compare(const LockFile& before, const LockFile& now) { return repeat_of(before, now); }

std::string to_json(const LockFile& lock, int indent) { return text_of(encode(lock), indent); }
std::string to_json(const Repeat& repeat, int indent) { return text_of(encode(repeat), indent); }
std::string lock_file_schema() { return text_of(schema<LockFile>(), 2); }

std::string to_terminal(const Repeat& repeat, std::size_t width, bool colour, bool unicode) {
  return repeat_text(repeat, {.width = width, .colour = colour, .unicode = unicode});
}

}  // namespace strop
