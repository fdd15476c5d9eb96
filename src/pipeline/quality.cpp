#include "pipeline/quality.h"

#include <algorithm>
#include <optional>

#include "measure/ruler.h"
#include "pipeline/golden.h"
#include "pipeline/optimize.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

// Engines that hold the same weights and round activations to 16 bits are 0.001 to 0.005 apart.
constexpr double kStandInKl = 0.02;

// The faster engine's trial of the same weights.
Result<Trial> stand_in_of(const Trial& trial, const Report& report, Context& context) {
  Trial made = trial;
  const StandIn& stand_in = *trial.recipe.stand_in;
  made.recipe.backend = stand_in.backend;
  made.recipe.steps.insert(made.recipe.steps.end(), stand_in.steps.begin(), stand_in.steps.end());
  made.run_options.clear();
  STROP_TRY(made.artifact, artifact_of(made.recipe, report, context));
  return made;
}

// The artifact's own logits against its stand-in's, at the front of the text.
Result<Metric> agreement(const Trial& trial, const Trial& stand_in, const EvaluationText& text,
                         const Report& report, Context& context) {
  measure::Evaluation front;
  front.sequences = {text.evaluation.sequences.front()};
  auto& ids = front.sequences.front();
  ids.resize(std::min<std::size_t>(ids.size(), trial.recipe.stand_in->tokens));
  STROP_TRY(const auto own, open(trial, report, context));
  STROP_TRY(const auto other, open(stand_in, report, context));
  StepProgress progress(context, Stage::measure, str(trial.recipe.backend, ": own logits"));
  STROP_TRY(const auto samples,
            measure::score_in_step(*other->session().decoder(), *own->session().decoder(), front,
                                   &progress, context.stop()));
  Metric metric{.metric = "stand_in_kl",
                .unit = "nats",
                .value = measure::mean(samples.kl),
                .samples = static_cast<std::uint32_t>(samples.size())};
  if (metric.value <= kStandInKl) return metric;
  return Error{
      .code = ErrorCode::backend,
      .message = str("[measure] ", trial.recipe.backend, " and ", stand_in.recipe.backend,
                     " disagree on the same weights: KL ", metric.value, " over ", metric.samples,
                     " positions, at most ", kStandInKl, " allowed."),
      .hint = "One of the two engines computes it wrongly: the artifact cannot be judged here."};
}

}  // namespace

Result<fs::path> make_quality_reference(const Trial& reference, const EvaluationText& text,
                                        const Report& report, Context& context) {
  STROP_TRY(const fs::path folder, context.samples_folder());
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

Result<Measurement> measure_quality(const Trial& trial, const QualityInputs& inputs,
                                    const fs::path& reference, const Report& report,
                                    Context& context) {
  const EvaluationText& text = inputs.text;
  Trial scored = trial;
  std::optional<Metric> agreed;
  if (trial.recipe.stand_in) {
    STROP_TRY(scored, stand_in_of(trial, report, context));
    STROP_TRY(agreed, agreement(trial, scored, text, report, context));
  }
  STROP_TRY(const fs::path folder, context.samples_folder());
  STROP_TRY(const auto worker, open(scored, report, context));
  STROP_TRY(auto reader, measure::ReferenceReader::open(reference));
  StepProgress progress(context, Stage::measure, str(trial.recipe.backend, " ", trial.recipe.name));
  STROP_TRY(const auto samples, measure::score(*worker->session().decoder(), text.evaluation,
                                               reader, &progress, context.stop()));
  const std::string name =
      str("quality-", trial.recipe.backend, "-", trial.recipe.name, "-", trial.id, ".json");
  STROP_CHECK(measure::write_samples(samples, folder / name));
  Measurement measurement{
      .artifact_id = trial.artifact->id,
      .target_id = report.target->id,
      .run_options = worker->session().info().run_options,
      .conditions = conditions_of(scored, *worker, report),
      .metrics = measure::summarise(
          samples, str("samples/", name),
          {.resampling = {.resamples = 1000, .seed = report.goal.seed}, .names = text.names})};
  if (agreed) measurement.metrics.push_back(*std::move(agreed));
  if (!inputs.tasks.tasks.empty()) {
    STROP_TRY(const auto tasks, measure_tasks(scored, inputs.tasks, *worker, report, context));
    measurement.metrics.insert(measurement.metrics.end(), tasks.begin(), tasks.end());
  }
  const double kl_mean = find(measurement, "kl_mean")->value;
  if (trial.recipe.stand_in) {
    STROP_TRY(const auto own, open(trial, report, context));
    STROP_CHECK(attach_records(trial, kl_mean, *own, report, context));
  } else {
    STROP_CHECK(attach_records(trial, kl_mean, *worker, report, context));
  }
  return measurement;
}

}  // namespace strop::pipeline
