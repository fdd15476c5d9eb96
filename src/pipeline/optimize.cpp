// Recipes -> Artifacts, step by step in workers; what the store has is not made again.
#include "pipeline/optimize.h"

#include <algorithm>
#include <charconv>

#include "formats/model_file.h"
#include "pipeline/calibration.h"
#include "pipeline/stages.h"

namespace strop::pipeline {
namespace {

// What belongs to a model that is a file; a folder holds all of its own.
Result<std::vector<std::filesystem::path>> beside(const Model& model) {
  std::error_code error;
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(model.path, error)) return files;
  STROP_TRY(files, files_of_model(model.path, model));
  for (std::filesystem::path& file : descriptions_of_model(model.path))
    files.push_back(std::move(file));
  return files;
}

// The artifact of the recipe's first `count` steps. Recipes that begin alike share it.
Result<Artifact> artifact_after(std::size_t count, const Recipe& recipe, const Model& model,
                                const CalibrationSet& calibration, Context& context) {
  Json made_by = Json::array();
  for (std::size_t i = 0; i < count; ++i) {
    const Step& step = recipe.steps[i];
    made_by.push_back({{"worker", step.worker},
                       {"op", name_of(step.op)},
                       {"params", step.params},
                       {"tool", version()}});
    if (needs_calibration(step)) made_by.back()["calibration"] = calibration.id;
  }
  const std::string id = id_of({{"model", model.id}, {"steps", made_by}});
  return context.store().artifact(id, [&](const std::filesystem::path& folder) -> Result<Artifact> {
    Model input = model;
    if (count > 1) {
      STROP_TRY(const Artifact before,
                artifact_after(count - 1, recipe, model, calibration, context));
      input.path = (std::filesystem::path(before.folder) / before.entry).string();
      input.format = before.format;
    }
    const std::string subject =
        str(recipe.backend, " ", recipe.name, ": ", name_of(recipe.steps[count - 1].op));
    StepProgress progress(context, Stage::optimize, subject);
    const Stopwatch watch;
    const Step& step = recipe.steps[count - 1];
    const WorkerBackend worker = context.worker(step.worker);
    Workspace workspace{.dir = folder, .progress = &progress, .stop = context.stop()};
    if (needs_calibration(step)) workspace.calibration = calibration.folder;
    if (count == 1) {
      STROP_TRY(workspace.beside, beside(input));
    }
    STROP_TRY(Artifact artifact, worker.build(input, recipe, count - 1, workspace));
    artifact.model_id = model.id;
    artifact.recipe_id = recipe.id;
    artifact.backend = recipe.backend;
    artifact.build_seconds = watch.seconds();
    return artifact;
  });
}

Error no_samples(const Recipe& recipe) {
  return Error{.code = ErrorCode::invalid_input,
               .message = str("[optimize] ", recipe.backend, " ", recipe.name,
                              " needs calibration samples, and there are none."),
               .hint = "Give samples of what the model will see with --data.",
               .field = "--data"};
}

// What the recipe needs of it; nothing where it needs none.
Result<CalibrationSet> calibration_for(const Recipe& recipe, const Report& report,
                                       Context& context) {
  if (!needs_calibration(recipe)) return CalibrationSet{};
  STROP_TRY(CalibrationSet set, calibration_set(report, context));
  if (set.samples == 0) return no_samples(recipe);
  return set;
}

// For the record: how many samples its steps took.
Result<std::optional<Calibration>> calibration_used(const Recipe& recipe, const Report& report,
                                                    Context& context) {
  if (!needs_calibration(recipe)) return std::optional<Calibration>();
  const auto set = calibration_for(recipe, report, context);
  if (!set) {
    if (ends_the_run(set.error())) return set.error();
    return std::optional<Calibration>();
  }
  std::uint32_t taken = 0;
  for (const Step& step : recipe.steps) {
    if (!needs_calibration(step)) continue;
    const std::string& text = step.params.at(kCalibrationParam);
    std::uint32_t most = 0;
    std::from_chars(text.data(), text.data() + text.size(), most);
    taken = std::max(taken, std::min(most, set->samples));
  }
  return std::optional(Calibration{.dataset_id = set->id, .samples = taken});
}

Trial trial_of(const PlannedTrial& planned) {
  Trial trial;
  trial.id = id_of({{"recipe", planned.recipe.id}, {"role", name_of(planned.role)}}).substr(0, 16);
  trial.role = planned.role;
  trial.recipe = planned.recipe;
  return trial;
}

// Makes the trial's artifact; a failure is part of the trial, so that it is not tried again when
// the run goes on.
Result<Trial> optimized(const PlannedTrial& planned, const Report& report, Context& context) {
  const std::string name = str("build ", planned.recipe.backend, " ", planned.recipe.name);
  const Json inputs{
      {"model", report.model->id}, {"recipe", planned.recipe.id}, {"role", name_of(planned.role)}};
  STROP_TRY(Trial trial, context.step<Trial>(Stage::optimize, name, inputs, [&]() -> Result<Trial> {
    Trial made = trial_of(planned);
    const Stopwatch watch;
    auto artifact = artifact_of(planned.recipe, report, context);
    STROP_TRY(made.recipe.calibration, calibration_used(planned.recipe, report, context));
    made.wall_seconds = watch.seconds();
    if (artifact) {
      made.artifact = *std::move(artifact);
    } else {
      if (ends_the_run(artifact.error())) return std::move(artifact).error();
      mark_failed(made, artifact.error());
    }
    return made;
  }));
  // The journal may remember an artifact that has left the store since, or was cut short there.
  if (trial.artifact) {
    STROP_TRY(trial.artifact, artifact_of(planned.recipe, report, context));
  }
  return trial;
}

}  // namespace

Result<void> note_use(const Artifact& artifact, const Recipe& recipe, const Report& report,
                      Context& context) {
  return context.store().note_use(
      artifact.id, {.model = std::filesystem::path(report.model->path).filename().string(),
                    .recipe = str(recipe.backend, " ", recipe.name),
                    .run_folder = context.out()});
}

Result<Artifact> artifact_of(const Recipe& recipe, const Report& report, Context& context) {
  STROP_TRY(const CalibrationSet calibration, calibration_for(recipe, report, context));
  STROP_TRY(Artifact artifact,
            artifact_after(recipe.steps.size(), recipe, *report.model, calibration, context));
  STROP_CHECK(note_use(artifact, recipe, report, context));
  artifact.recipe_id = recipe.id;
  artifact.backend = recipe.backend;
  return artifact;
}

Result<void> optimize_stage(Report& report, Context& context) {
  report.trials.clear();
  for (const PlannedTrial& planned : report.plan->trials) {
    STROP_TRY(Trial trial, optimized(planned, report, context));
    // Without these two nothing can be compared, so nothing else is worth making.
    if (trial.role != Role::candidate && trial.error) {
      return Error{.code = ErrorCode::backend,
                   .message = str("there is no ", name_of(trial.role),
                                  " to compare with: ", trial.error->message),
                   .hint = trial.error->hint,
                   .field = trial.error->field,
                   .value = trial.error->value};
    }
    report.trials.push_back(std::move(trial));
  }
  return {};
}

}  // namespace strop::pipeline
