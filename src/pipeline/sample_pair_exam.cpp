// Two functions of tensors: inferences of the same sample in turns, then the same samples through
// both.
#include <algorithm>
#include <array>

#include "core/units.h"
#include "measure/tensor_quality.h"
#include "pipeline/inferences.h"
#include "pipeline/pair_exam.h"
#include "pipeline/sample_questions.h"

namespace strop::pipeline {
namespace {

using measure::Better;

constexpr std::uint32_t kLeastScored = 16;
// Figures of agreement, 1 where the answers are the same.
constexpr std::array kAgreements{"top1_agreement", "box_overlap", "rank_agreement", "explained"};

// Numbers of the task's output: how much of the first's the second's differ by.
Difference distance_of(const Metric& noise) {
  return apart(noise, measure::kSameNoise,
               str("the energy of the difference is ", number_text(noise.value),
                   " of that of the first's outputs; up to ", number_text(measure::kSameNoise),
                   " they count as the same"));
}

Difference agreement_of(const Metric& metric) {
  Metric missing = metric;
  missing.value = 1 - metric.value;
  if (metric.interval)
    missing.interval =
        Interval{1 - metric.interval->high, 1 - metric.interval->low, metric.interval->confidence};
  Difference agreement =
      apart(missing, kAccuracyMargin,
            str("the second agrees with the first to ", number_text(metric.value), "; from ",
                1 - kAccuracyMargin, " on they count as the same"));
  agreement.second = metric.value;
  agreement.interval = metric.interval;
  return agreement;
}

// Who is more often right, or less far off, on the samples that have a label.
Difference on_labels(const measure::TensorSamples& samples, const measure::TensorTask& task,
                     std::uint64_t seed, double margin) {
  constexpr double kNothing = 1e-12;  // so that 0 against 0 is the same
  const bool is_error = task.kind == "regression";
  const auto mean_at = [](const std::vector<double>& values, std::span<const std::size_t> drawn) {
    double sum = 0;
    for (const std::size_t index : drawn) sum += values[index];
    return sum / static_cast<double>(drawn.size());
  };
  const auto figure = [&](std::span<const std::size_t> drawn) {
    return (mean_at(samples.score, drawn) + kNothing) /
           (mean_at(samples.score_reference, drawn) + kNothing);
  };
  const measure::Estimate ratio =
      measure::bootstrap(samples.score.size(), figure, {.resamples = 1000, .seed = seed});
  const measure::LabelNames names = measure::label_names(task);
  const auto pairs = static_cast<std::uint32_t>(samples.score.size());
  return judged(names.own, names.unit, measure::mean(samples.score_reference),
                measure::mean(samples.score), {.ratio = ratio.value, .interval = ratio.interval},
                is_error ? Better::lower : Better::higher,
                is_error ? margin : std::min(margin, kAccuracyMargin), pairs,
                is_error ? "the error against the labels" : "accuracy against the labels");
}

class SamplePairExam : public PairExam {
 public:
  SamplePairExam(SampleQuestions questions, std::vector<Tensor> usual, std::uint32_t inferences)
      : questions_(std::move(questions)), usual_(std::move(usual)), inferences_(inferences) {}

  measure::Contestant contestant(const std::string& name, WorkerSession& worker,
                                 std::stop_token stop) const override {
    return inferring(name, worker, usual_, inferences_, std::move(stop));
  }

  std::vector<Difference> parts_of_request(const measure::Timing&, double) const override {
    return {};
  }

  Result<std::vector<Difference>> quality(WorkerSession& first, WorkerSession& second,
                                          const measure::Timing& timing, double margin,
                                          double seconds, Context& context) const override {
    const Columns requests = columns_of(timing, measure::request_seconds);
    const double sample_seconds =
        (measure::median(requests.first) + measure::median(requests.second)) / inferences_;
    const double affords = std::max(seconds / sample_seconds, double{kLeastScored});
    const std::uint32_t count =
        affords < questions_.count ? static_cast<std::uint32_t>(affords) : questions_.count;
    StepProgress progress(context, Stage::measure, "the same samples through both");
    STROP_TRY(const auto samples,
              measure::score_tensors(*first.session().tensors(), *second.session().tensors(), count,
                                     questions_.sample, questions_.task, questions_.labels,
                                     &progress, context.stop()));
    const std::uint64_t seed = context.request().goal.seed;
    std::vector<Difference> out;
    for (const Metric& metric :
         measure::summarise(samples, questions_.task, {}, {.resamples = 1000, .seed = seed})) {
      if (metric.metric == "noise_ratio") out.push_back(distance_of(metric));
      if (std::find(kAgreements.begin(), kAgreements.end(), metric.metric) != kAgreements.end())
        out.push_back(agreement_of(metric));
    }
    if (!samples.score.empty()) out.push_back(on_labels(samples, questions_.task, seed, margin));
    return out;
  }

  std::string warning() const override { return questions_.warning; }

 private:
  SampleQuestions questions_;
  std::vector<Tensor> usual_;
  std::uint32_t inferences_;
};

}  // namespace

Result<std::unique_ptr<PairExam>> make_sample_pair_exam(const Artifact& first, WorkerSession& one,
                                                        Context& context) {
  STROP_TRY(SampleQuestions questions, questions_for(first, context));
  STROP_TRY(auto usual, usual_sample(questions.count, questions.sample));
  STROP_TRY(const auto seconds, trial_seconds(*one.session().tensors(), usual));
  const std::uint32_t inferences = inferences_of_request(measure::median(seconds));
  return std::unique_ptr<PairExam>(
      std::make_unique<SamplePairExam>(std::move(questions), std::move(usual), inferences));
}

}  // namespace strop::pipeline
