// Models of tensors: inferences of one sample are timed, the outputs for every sample are judged,
// the original's beside them.
#include <algorithm>
#include <limits>

#include "measure/tensor_quality.h"
#include "pipeline/exam.h"
#include "pipeline/golden.h"
#include "pipeline/inferences.h"
#include "pipeline/samples.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

// Share of the budget that one artifact's quality may take.
constexpr double kQualityShare = 0.05;
constexpr std::uint32_t kLeastSamples = 16;
constexpr std::uint32_t kGlanceSamples = 4;
constexpr std::size_t kGoldenSamples = 4;
constexpr std::uint64_t kGoldenBytes = 8u << 20;  // of inputs, in one record

std::string shapes_text(const std::vector<Tensor>& tensors) {
  std::string text;
  for (const Tensor& tensor : tensors) {
    text += str(text.empty() ? "" : ", ", tensor.name, " ", name_of(tensor.type), " [");
    for (std::size_t i = 0; i < tensor.shape.size(); ++i)
      text += str(i > 0 ? ", " : "", tensor.shape[i]);
    text += "]";
  }
  return text;
}

struct Questions {
  SampleSet set;
  std::vector<Tensor> usual;     // the sample whose inferences are timed
  std::uint32_t count = 0;       // samples that are scored, the first of the set
  std::uint32_t inferences = 0;  // of one request
};

class SampleExam : public Exam {
 public:
  SampleExam(Trial reference, Model model, Questions questions)
      : reference_(std::move(reference)),
        model_(std::move(model)),
        questions_(std::move(questions)),
        task_{questions_.set.task, questions_.set.output} {}

  std::string id() const override {
    return id_of({{"samples", questions_.set.evaluation_id}, {"count", questions_.count}});
  }
  std::string request_text() const override {
    return str(questions_.inferences, " inferences of ", shapes_text(questions_.usual));
  }
  std::vector<std::string> notes() const override { return questions_.set.notes; }
  MetricContext context() const override { return {.inferences = questions_.inferences}; }

  std::string distance() const override { return "noise_ratio"; }

  measure::Contestant contestant(const std::string& name, WorkerSession& worker, Length,
                                 std::stop_token stop) const override {
    return inferring(name, worker, questions_.usual, questions_.inferences, std::move(stop));
  }
  measure::Contestant varied_contestant(const std::string& name, WorkerSession& worker,
                                        std::stop_token stop) const override {
    TensorSession* session = worker.session().tensors();
    return {.name = name,
            .request = [this, session, stop,
                        next = std::size_t{0}]() mutable -> Result<measure::Request> {
              const auto& indices = questions_.set.evaluation;
              STROP_TRY(const auto sample,
                        read_sample(questions_.set, indices[next++ % questions_.count]));
              return timed_inferences(*session, sample, questions_.inferences, stop);
            }};
  }
  std::vector<Metric> request_metrics(std::span<const measure::Request> requests) const override {
    return measure::inference_metrics(requests);
  }

  // Throughput at the best batch and at each that was tried.
  Further further_metrics(WorkerSession& worker, std::stop_token stop) const override {
    if (!is_batchable(model_)) return {};
    const auto batching = best_batch_of(worker, questions_.usual, stop);
    if (!batching) return {};
    std::vector<measure::Series> all;
    for (const measure::Batch& batch : batching->tried) {
      all.push_back({str("batch ", batch.size), {}});
      for (const double seconds : batch.seconds) all.back().requests.push_back({{seconds}});
    }
    return {measure::throughput_metrics(*batching), std::move(all)};
  }

  Result<Measurement> quality(const Trial& trial, const Report& report,
                              Context& context) const override {
    STROP_TRY(const fs::path folder, context.samples_folder());
    STROP_TRY(const auto worker, open(trial, report, context));
    StepProgress progress(context, Stage::measure,
                          str(trial.recipe.backend, " ", trial.recipe.name));
    STROP_TRY(const auto samples, score(*worker, questions_.count, &progress, report, context));
    const std::string name =
        str("quality-", trial.recipe.backend, "-", trial.recipe.name, "-", trial.id, ".json");
    STROP_CHECK(measure::write_samples(samples, folder / name));
    Measurement measurement{
        .artifact_id = trial.artifact->id,
        .target_id = report.target->id,
        .run_options = worker->session().info().run_options,
        .conditions = conditions_of(trial, *worker, report),
        .metrics = measure::summarise(samples, task_, str("samples/", name),
                                      {.resamples = 1000, .seed = report.goal.seed})};
    STROP_CHECK(
        attach_records(trial, find(measurement, distance())->value, *worker, report, context));
    return measurement;
  }

  Result<Glance> glance(const Trial& trial, const Report& report, Context& context) const override {
    STROP_TRY(const auto worker, open(trial, report, context));
    STROP_TRY(const auto samples,
              score(*worker, std::min(kGlanceSamples, questions_.count), nullptr, report, context));
    for (Metric& metric : measure::summarise(samples, task_, {}, {.resamples = 100})) {
      if (metric.metric == distance())
        return Glance{std::move(metric), worker->session().info().run_options};
    }
    return Error{ErrorCode::backend, "[measure] the outputs gave nothing to compare"};
  }

 private:
  // Beside the reference in a worker of its own.
  Result<measure::TensorSamples> score(WorkerSession& worker, std::uint32_t count,
                                       Progress* progress, const Report& report,
                                       Context& context) const {
    STROP_TRY(const auto original, open(reference_, report, context));
    const auto sample = [&](std::uint32_t i) {
      return read_sample(questions_.set, questions_.set.evaluation[i]);
    };
    return measure::score_tensors(*original->session().tensors(), *worker.session().tensors(),
                                  count, sample, task_, questions_.set.labels, progress,
                                  context.stop());
  }

  Trial reference_;
  Model model_;
  Questions questions_;
  measure::TensorTask task_;
};

// How long the baseline takes, decided once per run, so that a resumed run asks alike.
Result<double> usual_seconds(const Trial& baseline, const std::vector<Tensor>& usual,
                             const std::string& evaluation_id, const Report& report,
                             Context& context) {
  using Seconds = std::vector<double>;
  const Json inputs{{"baseline", baseline.artifact->id}, {"samples", evaluation_id}};
  STROP_TRY(
      const Seconds seconds,
      context.step<Seconds>(Stage::measure, "size of a request", inputs, [&]() -> Result<Seconds> {
        STROP_TRY(const auto worker, open(baseline, report, context));
        return trial_seconds(*worker->session().tensors(), usual);
      }));
  return std::max(measure::median(seconds), 1e-6);
}

// As many of the first samples as a record may hold.
Result<GoldenInputs> golden_inputs(const SampleSet& set) {
  GoldenInputs inputs{.id = set.evaluation_id, .samples = {}, .output = set.output};
  std::uint64_t bytes = 0;
  for (const std::uint32_t index : set.evaluation) {
    STROP_TRY(auto sample, read_sample(set, index));
    bytes += bytes_of(sample);
    if (!inputs.samples.empty() && bytes > kGoldenBytes) break;
    inputs.samples.push_back(std::move(sample));
    if (inputs.samples.size() == kGoldenSamples) break;
  }
  return inputs;
}

std::uint32_t between(double value, std::uint32_t low, std::uint32_t high) {
  return static_cast<std::uint32_t>(
      std::clamp(value, static_cast<double>(low), static_cast<double>(high)));
}

}  // namespace

Result<std::unique_ptr<Exam>> make_sample_exam(const Trial& baseline, const Trial& reference,
                                               const Report& report, Context& context) {
  Questions questions;
  STROP_TRY(questions.set, read_samples(*report.model, context));
  const auto available = static_cast<std::uint32_t>(questions.set.evaluation.size());
  STROP_TRY(questions.usual, usual_sample(available, [&](std::uint32_t i) {
              return read_sample(questions.set, questions.set.evaluation[i]);
            }));
  STROP_TRY(const GoldenInputs golden, golden_inputs(questions.set));
  STROP_CHECK(record_original(reference, golden, report, context));
  STROP_TRY(const double seconds,
            usual_seconds(baseline, questions.usual, questions.set.evaluation_id, report, context));
  questions.inferences = inferences_of_request(seconds);
  const double affordable = report.goal.budget.wall_seconds * kQualityShare / (2 * seconds);
  questions.count = std::min(
      available, between(affordable, kLeastSamples, std::numeric_limits<std::uint32_t>::max()));
  return std::unique_ptr<Exam>(
      std::make_unique<SampleExam>(reference, *report.model, std::move(questions)));
}

Result<std::unique_ptr<Exam>> make_exam(const Trial& baseline, const Trial& reference,
                                        const Report& report, Context& context) {
  return runs_on_tensors(*report.model) ? make_sample_exam(baseline, reference, report, context)
                                        : make_text_exam(baseline, reference, report, context);
}

}  // namespace strop::pipeline
