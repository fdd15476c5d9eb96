#include "pipeline/quality.h"

#include "core/files.h"
#include "measure/ruler.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

Result<fs::path> samples_folder(Context& context) {
  const fs::path folder = context.out() / "samples";
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return file_error("create", folder, error.value());
  return folder;
}

}  // namespace

Result<fs::path> make_quality_reference(const Trial& reference, const EvaluationText& text,
                                        const Report& report, Context& context) {
  STROP_TRY(const fs::path folder, samples_folder(context));
  const Json inputs{{"artifact", reference.artifact->id},
                    {"text", measure::digest(text.evaluation)},
                    {"seed", report.goal.seed}};
  const fs::path path = folder / str("reference-", id_of(inputs).substr(0, 16), ".bin");
  const auto make = [&]() -> Result<bool> {
    STROP_TRY(const auto worker, open(reference, report, context));
    StepProgress progress(context, Stage::measure, "reference");
    STROP_CHECK(measure::make_reference(*worker->session().decoder(), text.evaluation, path,
                                        report.goal.seed, &progress, context.stop()));
    return true;
  };
  STROP_CHECK(context.step<bool>(Stage::measure, "quality reference", inputs, make));
  // The journal may remember a record that somebody removed since.
  std::error_code error;
  if (!fs::exists(path, error)) STROP_CHECK(make());
  return path;
}

Result<std::vector<Metric>> measure_quality(const Trial& trial, const EvaluationText& text,
                                            const fs::path& reference, const Report& report,
                                            Context& context) {
  STROP_TRY(const fs::path folder, samples_folder(context));
  STROP_TRY(const auto worker, open(trial, report, context));
  STROP_TRY(auto reader, measure::ReferenceReader::open(reference));
  StepProgress progress(context, Stage::measure, str(trial.recipe.backend, " ", trial.recipe.name));
  STROP_TRY(const auto samples, measure::score(*worker->session().decoder(), text.evaluation,
                                               reader, &progress, context.stop()));
  const std::string name =
      str("quality-", trial.recipe.backend, "-", trial.recipe.name, "-", trial.id, ".json");
  STROP_CHECK(measure::write_samples(samples, folder / name));
  return measure::summarise(samples, str("samples/", name),
                            {.resampling = {.resamples = 1000, .seed = report.goal.seed}});
}

}  // namespace strop::pipeline
