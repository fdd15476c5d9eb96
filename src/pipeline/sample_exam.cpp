// Models of tensors: inferences of one sample are timed, the outputs for every sample are judged,
// the original's beside them.
#include <algorithm>
#include <cmath>
#include <limits>

#include "measure/batching.h"
#include "measure/tensor_quality.h"
#include "pipeline/exam.h"
#include "pipeline/golden.h"
#include "pipeline/samples.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

// A request is as many inferences as take about this long, so that it can be timed at all and a
// few rounds of it hold enough inferences for percentiles.
constexpr double kRequestSeconds = 0.1;
constexpr std::uint32_t kLeastInferences = 4, kMostInferences = 100;
constexpr std::uint32_t kTrials = 3;  // inferences that tell how long one takes
// Share of the budget that one artifact's quality may take.
constexpr double kQualityShare = 0.05;
constexpr std::uint32_t kLeastSamples = 16;
constexpr std::uint32_t kGlanceSamples = 4;
constexpr std::size_t kGoldenSamples = 4;
constexpr std::uint64_t kGoldenBytes = 8u << 20;  // of inputs, in one record
constexpr std::size_t kSampleSizes = 64;          // looked at for the usual one
constexpr std::uint32_t kMostBatch = 256;

std::uint64_t bytes_of(const std::vector<Tensor>& tensors) {
  std::uint64_t bytes = 0;
  for (const Tensor& tensor : tensors) bytes += tensor.data.size();
  return bytes;
}

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

// Of the first samples the one of middle size: what a user's usual request is like.
Result<std::vector<Tensor>> usual_sample(const SampleSet& set) {
  std::vector<std::pair<std::uint64_t, std::uint32_t>> sizes;
  for (const std::uint32_t index : set.evaluation) {
    if (sizes.size() == kSampleSizes) break;
    STROP_TRY(const auto tensors, read_sample(set, index));
    sizes.emplace_back(bytes_of(tensors), index);
  }
  if (sizes.empty())
    return Error{.code = ErrorCode::invalid_input,
                 .message = "[measure] the data has no sample to evaluate on",
                 .hint = "Give more samples with --data.",
                 .field = "--data"};
  std::sort(sizes.begin(), sizes.end());
  return read_sample(set, sizes[sizes.size() / 2].second);
}

Result<double> seconds_of(TensorSession& session, const std::vector<Tensor>& inputs) {
  STROP_TRY(const Inference inference, session.infer(inputs));
  return inference.seconds;
}

// Where the model says that the first dimension of every input may be of any size.
bool is_batchable(const Model& model) {
  return std::all_of(model.inputs.begin(), model.inputs.end(), [](const Port& port) {
    return !port.any_rank && !port.shape.empty() && port.shape.front() < 0;
  });
}

// The same sample `batch` times.
std::vector<Tensor> stacked(const std::vector<Tensor>& sample, std::uint32_t batch) {
  std::vector<Tensor> out = sample;
  for (Tensor& tensor : out) {
    tensor.shape.front() *= batch;
    const std::vector<std::byte> once = tensor.data;
    for (std::uint32_t i = 1; i < batch; ++i)
      tensor.data.insert(tensor.data.end(), once.begin(), once.end());
  }
  return out;
}

// That many results for that many samples: a model whose first dimension is something else tells.
Result<void> check_results(const std::vector<Tensor>& outputs, std::uint32_t batch) {
  for (const Tensor& tensor : outputs) {
    const bool fits =
        !tensor.shape.empty() && tensor.shape.front() % batch == 0 && tensor.shape.front() >= batch;
    if (!fits)
      return Error{.code = ErrorCode::unsupported,
                   .message = str("the output ", tensor.name, " is no batch of ", batch),
                   .field = tensor.name};
  }
  return {};
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
    TensorSession* session = worker.session().tensors();
    return {.name = name,
            .request = [this, session, stop] { return request(*session, questions_.usual, stop); }};
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
              return request(*session, sample, stop);
            }};
  }
  std::vector<Metric> request_metrics(std::span<const measure::Request> requests) const override {
    return measure::inference_metrics(requests);
  }

  // Throughput at the best batch and at each that was tried.
  Further further_metrics(WorkerSession& worker, std::stop_token stop) const override {
    if (!is_batchable(model_)) return {};
    TensorSession* session = worker.session().tensors();
    const auto run = [&](std::uint32_t batch) -> Result<double> {
      if (stop.stop_requested()) return Error{ErrorCode::cancelled, "[measure] interrupted"};
      STROP_TRY(const Inference inference, session->infer(stacked(questions_.usual, batch)));
      STROP_CHECK(check_results(inference.outputs, batch));
      return inference.seconds;
    };
    const std::uint64_t fits = worker.process().block().bytes().size() /
                               std::max<std::uint64_t>(1, bytes_of(questions_.usual));
    const auto most = static_cast<std::uint32_t>(std::min<std::uint64_t>(fits, kMostBatch));
    const auto batching = measure::best_batch(run, most);
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
  // Inferences of one sample, one after the other.
  Result<measure::Request> request(TensorSession& session, const std::vector<Tensor>& sample,
                                   const std::stop_token& stop) const {
    measure::Request request;
    double total = 0;
    for (std::uint32_t i = 0; i < questions_.inferences; ++i) {
      if (stop.stop_requested()) return Error{ErrorCode::cancelled, "[measure] interrupted"};
      STROP_TRY(const double seconds, seconds_of(session, sample));
      request.seconds.push_back(total += seconds);
    }
    return request;
  }

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
        Seconds took;
        for (std::uint32_t i = 0; i <= kTrials; ++i) {
          STROP_TRY(const double one, seconds_of(*worker->session().tensors(), usual));
          if (i > 0) took.push_back(one);
        }
        return took;
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
  STROP_TRY(questions.usual, usual_sample(questions.set));
  STROP_TRY(const GoldenInputs golden, golden_inputs(questions.set));
  STROP_CHECK(record_original(reference, golden, report, context));
  STROP_TRY(const double seconds,
            usual_seconds(baseline, questions.usual, questions.set.evaluation_id, report, context));
  questions.inferences =
      between(std::ceil(kRequestSeconds / seconds), kLeastInferences, kMostInferences);
  const auto available = static_cast<std::uint32_t>(questions.set.evaluation.size());
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
