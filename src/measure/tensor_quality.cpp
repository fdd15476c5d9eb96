#include "measure/tensor_quality.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "core/files.h"
#include "core/json.h"
#include "core/stop.h"
#include "measure/likeness.h"

namespace strop::measure {
namespace {

// Their distances among each other are some two thousand pairs.
constexpr std::size_t kVectors = 64;
constexpr std::size_t kLeastVectors = 3;

bool is_whole(ElementType type) {
  return type != ElementType::f32 && type != ElementType::f16 && type != ElementType::bf16;
}

Result<const Tensor*> counterpart(const Tensor& wanted, std::span<const Tensor> outputs) {
  const auto found = std::find_if(outputs.begin(), outputs.end(),
                                  [&](const Tensor& tensor) { return tensor.name == wanted.name; });
  if (found == outputs.end())
    return Error{.code = ErrorCode::backend,
                 .message = str("[measure] the artifact has no output named ", wanted.name),
                 .field = wanted.name};
  if (found->shape != wanted.shape)
    return Error{.code = ErrorCode::backend,
                 .message = str("[measure] the output ", wanted.name,
                                " has another shape than the original's"),
                 .field = wanted.name};
  return &*found;
}

// Names of classes and the like are alike where they are equal: their size says nothing.
double share_of_equal_numbers(std::span<const double> a, std::span<const double> b) {
  std::size_t equal = 0;
  for (std::size_t i = 0; i < a.size(); ++i) equal += a[i] == b[i] ? 1 : 0;
  return a.empty() ? 1 : static_cast<double>(equal) / static_cast<double>(a.size());
}

Error not_of_the_form(const TensorTask& task, const Tensor& tensor, const std::string& rule) {
  return Error{
      .code = ErrorCode::unsupported,
      .message = str("[measure] for ", task.kind, " the output ", tensor.name, " must ", rule, "."),
      .hint =
          "Name another output in data.json, or leave the task out of it: the outputs "
          "are then compared as numbers.",
      .field = "task",
      .value = task.kind};
}

// The class of each row of scores; whole numbers are classes already.
Result<std::vector<std::size_t>> classes_of(const TensorTask& task, const Tensor& tensor) {
  STROP_TRY(const auto numbers, numbers_of(tensor));
  if (is_whole(tensor.type)) {
    std::vector<std::size_t> classes;
    for (const double number : numbers)
      classes.push_back(static_cast<std::size_t>(static_cast<std::int64_t>(number)));
    return classes;
  }
  const std::size_t width =
      tensor.shape.empty() ? 1 : static_cast<std::size_t>(tensor.shape.back());
  if (width < 2 || numbers.empty())
    return not_of_the_form(task, tensor, "hold at least two scores for each sample");
  return best_of_rows(numbers, width);
}

Result<double> single_number(const TensorTask& task, const Tensor& tensor) {
  STROP_TRY(const auto numbers, numbers_of(tensor));
  if (numbers.size() != 1) return not_of_the_form(task, tensor, "be one number for each sample");
  return numbers.front();
}

// The mean over everything between the first and the last dimension: of the tokens, where the model
// gives a vector for each.
Result<std::vector<double>> vector_of(const Tensor& tensor) {
  STROP_TRY(const auto numbers, numbers_of(tensor));
  const std::size_t width =
      tensor.shape.empty() ? 1 : static_cast<std::size_t>(tensor.shape.back());
  if (width == 0 || numbers.empty()) return std::vector<double>{};
  std::vector<double> mean(width);
  for (std::size_t i = 0; i < numbers.size(); ++i) mean[i % width] += numbers[i];
  for (double& value : mean)
    value *= static_cast<double>(width) / static_cast<double>(numbers.size());
  return mean;
}

struct Outputs {
  std::span<const Tensor> reference, candidate;
  const Tensor* main = nullptr;            // of the reference
  const Tensor* main_candidate = nullptr;  // its counterpart
};

Result<void> add_classes(TensorSamples& samples, const TensorTask& task, const Outputs& outputs,
                         std::uint32_t index, const Label* label) {
  STROP_TRY(const auto reference, classes_of(task, *outputs.main));
  STROP_TRY(const auto candidate, classes_of(task, *outputs.main_candidate));
  samples.agreement.push_back(share_equal(reference, candidate));
  if (!label || !label->index) return {};
  if (reference.size() != 1)
    return not_of_the_form(task, *outputs.main, "be one row of scores, as there is one label");
  const auto truth = static_cast<std::size_t>(*label->index);
  samples.labelled.push_back(index);
  samples.score.push_back(candidate.front() == truth ? 1 : 0);
  samples.score_reference.push_back(reference.front() == truth ? 1 : 0);
  return {};
}

Result<void> add_boxes(TensorSamples& samples, const Outputs& outputs, std::uint32_t index,
                       const Label* label, bool have_labels) {
  STROP_TRY(const auto reference, boxes_of(outputs.reference, outputs.main->name));
  STROP_TRY(const auto candidate, boxes_of(outputs.candidate, outputs.main->name));
  samples.agreement.push_back(mean_overlap(reference, candidate));
  if (!label || !have_labels) return {};
  samples.labelled.push_back(index);
  samples.score.push_back(mean_overlap(label->boxes, candidate));
  samples.score_reference.push_back(mean_overlap(label->boxes, reference));
  return {};
}

Result<void> add_value(TensorSamples& samples, const TensorTask& task, const Outputs& outputs,
                       std::uint32_t index, const Label* label) {
  STROP_TRY(const double reference, single_number(task, *outputs.main));
  STROP_TRY(const double candidate, single_number(task, *outputs.main_candidate));
  samples.value_reference.push_back(reference);
  samples.value.push_back(candidate);
  if (!label || !label->value) return {};
  samples.labelled.push_back(index);
  samples.score.push_back(std::abs(candidate - *label->value));
  samples.score_reference.push_back(std::abs(reference - *label->value));
  return {};
}

Result<void> add_vector(TensorSamples& samples, const Outputs& outputs) {
  if (samples.vectors.size() >= kVectors) return {};
  STROP_TRY(auto reference, vector_of(*outputs.main));
  STROP_TRY(auto candidate, vector_of(*outputs.main_candidate));
  samples.vectors_reference.push_back(std::move(reference));
  samples.vectors.push_back(std::move(candidate));
  return {};
}

// What the numbers of every output say, whatever they are for.
Result<void> add_numbers(TensorSamples& samples, const Outputs& outputs) {
  for (std::size_t i = 0; i < outputs.reference.size(); ++i) {
    const Tensor& wanted = outputs.reference[i];
    STROP_TRY(const Tensor* given, counterpart(wanted, outputs.candidate));
    STROP_TRY(const auto a, numbers_of(wanted));
    STROP_TRY(const auto b, numbers_of(*given));
    const bool whole = is_whole(wanted.type);
    const double equal = whole ? share_of_equal_numbers(a, b) : 0;
    samples.cosine[i].push_back(whole ? equal : cosine(a, b));
    samples.noise[i].push_back(whole ? 1 - equal : noise_ratio(a, b));
  }
  return {};
}

Result<void> begin(TensorSamples& samples, std::span<const Tensor> reference,
                   const TensorTask& task) {
  samples.main = main_output(reference, task.output);
  if (samples.main >= reference.size()) {
    std::string names;
    for (const Tensor& tensor : reference) names += str(names.empty() ? "" : ", ", tensor.name);
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("[measure] the task's output must be one of ", names, ", but is ",
                                task.output, "."),
                 .hint = "Correct \"output\" in data.json.",
                 .field = "output",
                 .value = task.output};
  }
  for (const Tensor& tensor : reference) samples.outputs.push_back(tensor.name);
  samples.cosine.resize(reference.size());
  samples.noise.resize(reference.size());
  return {};
}

Result<void> add(TensorSamples& samples, std::span<const Tensor> reference,
                 std::span<const Tensor> candidate, const TensorTask& task,
                 std::span<const Label> labels, std::uint32_t index) {
  if (samples.outputs.empty()) STROP_CHECK(begin(samples, reference, task));
  if (reference.size() != samples.outputs.size())
    return Error{ErrorCode::backend,
                 "[measure] the original gives another number of outputs for another sample"};
  Outputs outputs{reference, candidate, &reference[samples.main], nullptr};
  STROP_TRY(outputs.main_candidate, counterpart(*outputs.main, candidate));
  STROP_CHECK(add_numbers(samples, outputs));
  const Label* label = index < labels.size() ? &labels[index] : nullptr;
  const bool boxes = std::any_of(labels.begin(), labels.end(),
                                 [](const Label& one) { return !one.boxes.empty(); });
  if (task.kind == "classification") return add_classes(samples, task, outputs, index, label);
  if (task.kind == "detection") return add_boxes(samples, outputs, index, label, boxes);
  if (task.kind == "regression") return add_value(samples, task, outputs, index, label);
  if (task.kind == "embedding") return add_vector(samples, outputs);
  return {};
}

// Figures.

using Indices = std::span<const std::size_t>;

double mean_at(std::span<const double> values, Indices indices) {
  double sum = 0;
  for (const std::size_t i : indices) sum += values[i];
  return sum / static_cast<double>(indices.size());
}

std::vector<double> at(std::span<const double> values, Indices indices) {
  std::vector<double> out;
  for (const std::size_t i : indices) out.push_back(values[i]);
  return out;
}

// An interval of one sample would be a point, and how far another sample is from it is unknown.
Metric metric_of(const char* name, const char* unit, const Estimate& estimate,
                 std::size_t samples) {
  Metric metric{.metric = name,
                .unit = unit,
                .value = estimate.value,
                .samples = static_cast<std::uint32_t>(samples),
                .noisy = samples < 2};
  if (samples > 1) metric.interval = estimate.interval;
  return metric;
}

Metric mean_metric(const char* name, const char* unit, std::span<const double> values,
                   const Resampling& resampling) {
  const auto figure = [&](Indices indices) { return mean_at(values, indices); };
  return metric_of(name, unit, bootstrap(values.size(), figure, resampling), values.size());
}

Metric cosine_metric(const TensorSamples& samples, std::size_t output,
                     const Resampling& resampling) {
  return mean_metric("cosine", "ratio", samples.cosine[output], resampling);
}

// Of the mean noise: the mean of decibels would let exact samples hide a broken one.
Metric sqnr_metric(const TensorSamples& samples, std::size_t output, const Resampling& resampling) {
  const auto& noise = samples.noise[output];
  const auto figure = [&](Indices indices) { return decibels(mean_at(noise, indices)); };
  return metric_of("sqnr", "dB", bootstrap(noise.size(), figure, resampling), noise.size());
}

Metric worst_metric(const TensorSamples& samples) {
  const auto& values = samples.cosine[samples.main];
  return {.metric = "cosine_worst",
          .unit = "ratio",
          .value = *std::min_element(values.begin(), values.end()),
          .samples = static_cast<std::uint32_t>(values.size())};
}

// candidate / reference; nothing where the reference is never right.
std::optional<Metric> ratio_metric(const TensorSamples& samples, const Resampling& resampling) {
  const auto& own = samples.score;
  const auto& theirs = samples.score_reference;
  if (own.empty() || mean(theirs) <= 0) return std::nullopt;
  const auto figure = [&](Indices indices) {
    const double reference = mean_at(theirs, indices);
    // A draw in which the reference is never right says nothing: it counts as no difference.
    return reference > 0 ? mean_at(own, indices) / reference : 1.0;
  };
  return metric_of("accuracy", "ratio", bootstrap(own.size(), figure, resampling), own.size());
}

// Cosines of all pairs of the drawn vectors, a vector drawn twice not with itself.
std::vector<double> pair_cosines(const std::vector<std::vector<double>>& cosines, Indices indices) {
  std::vector<double> out;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (indices[i] != indices[j]) out.push_back(cosines[indices[i]][indices[j]]);
    }
  }
  return out;
}

std::vector<std::vector<double>> all_cosines(const std::vector<std::vector<double>>& vectors) {
  std::vector<std::vector<double>> out(vectors.size(), std::vector<double>(vectors.size(), 1));
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) out[i][j] = out[j][i] = cosine(vectors[i], vectors[j]);
  }
  return out;
}

std::optional<Metric> rank_metric(const TensorSamples& samples, Resampling resampling) {
  const auto& vectors = samples.vectors_reference;
  const bool alike = std::all_of(vectors.begin(), vectors.end(), [&](const auto& vector) {
    return vector.size() == vectors.front().size();
  });
  if (vectors.size() < kLeastVectors || !alike) return std::nullopt;
  const auto reference = all_cosines(vectors), candidate = all_cosines(samples.vectors);
  resampling.resamples = std::min(resampling.resamples, 200u);  // each sorts every pair anew
  const auto figure = [&](Indices indices) {
    const auto a = pair_cosines(reference, indices), b = pair_cosines(candidate, indices);
    return a.size() < 2 ? 1.0 : rank_correlation(a, b);
  };
  return metric_of("rank_agreement", "ratio", bootstrap(vectors.size(), figure, resampling),
                   vectors.size());
}

std::optional<Metric> explained_metric(const TensorSamples& samples, const Resampling& resampling) {
  if (samples.value.size() < 2) return std::nullopt;
  const auto figure = [&](Indices indices) {
    return explained(at(samples.value_reference, indices), at(samples.value, indices));
  };
  return metric_of("explained", "ratio", bootstrap(samples.value.size(), figure, resampling),
                   samples.value.size());
}

Metric renamed(Metric metric, const char* name) {
  metric.metric = name;
  return metric;
}

// The task's own figures, accuracy last.
std::vector<Metric> task_metrics(const TensorSamples& samples, const TensorTask& task,
                                 const Metric& cosine, const Resampling& resampling) {
  std::vector<Metric> out;
  std::optional<Metric> accuracy;
  if (task.kind == "classification" || task.kind == "detection") {
    out.push_back(mean_metric(task.kind == "detection" ? "box_overlap" : "top1_agreement", "ratio",
                              samples.agreement, resampling));
    accuracy = ratio_metric(samples, resampling);
    if (!accuracy) accuracy = out.front();
  } else if (task.kind == "regression") {
    accuracy = explained_metric(samples, resampling);
    if (accuracy) out.push_back(*accuracy);
  } else if (task.kind == "embedding") {
    if (auto ranks = rank_metric(samples, resampling)) out.push_back(*std::move(ranks));
  }
  if (!samples.score.empty()) {
    const LabelNames names = label_names(task);
    out.push_back(mean_metric(names.own, names.unit, samples.score, resampling));
    out.push_back(mean_metric(names.reference, names.unit, samples.score_reference, resampling));
  }
  out.push_back(renamed(accuracy.value_or(cosine), "accuracy"));
  return out;
}

}  // namespace

LabelNames label_names(const TensorTask& task) {
  if (task.kind == "detection") return {"label_overlap", "label_overlap_reference", "ratio"};
  if (task.kind == "regression") return {"label_error", "label_error_reference", ""};
  return {"label_accuracy", "label_accuracy_reference", "ratio"};
}

std::size_t main_output(std::span<const Tensor> outputs, const std::string& name) {
  const auto fits = [&](const Tensor& tensor) {
    return name.empty() ? !is_whole(tensor.type) : tensor.name == name;
  };
  const auto found = std::find_if(outputs.begin(), outputs.end(), fits);
  return found == outputs.end() ? (name.empty() ? 0 : outputs.size())
                                : static_cast<std::size_t>(found - outputs.begin());
}

Result<TensorSamples> score_tensors(TensorSession& reference, TensorSession& candidate,
                                    std::uint32_t count, const SampleSource& sample,
                                    const TensorTask& task, std::span<const Label> labels,
                                    Progress* progress, std::stop_token stop) {
  if (count == 0)
    return Error{ErrorCode::invalid_input, "[measure] there is no sample to compare outputs on"};
  TensorSamples samples;
  for (std::uint32_t index = 0; index < count; ++index) {
    STROP_CHECK(check_stop(stop));
    STROP_TRY(const auto inputs, sample(index));
    STROP_TRY(const auto wanted, reference.infer(inputs));
    STROP_TRY(const auto given, candidate.infer(inputs));
    STROP_CHECK(add(samples, wanted.outputs, given.outputs, task, labels, index));
    if (progress) progress->report(static_cast<double>(index + 1) / count, "comparing outputs");
  }
  return samples;
}

std::vector<Metric> summarise(const TensorSamples& samples, const TensorTask& task,
                              const std::string& samples_path, const Resampling& resampling) {
  if (samples.size() == 0) return {};
  const Metric cosine = cosine_metric(samples, samples.main, resampling);
  std::vector<Metric> out{
      cosine, worst_metric(samples),
      mean_metric("noise_ratio", "ratio", samples.noise[samples.main], resampling),
      sqnr_metric(samples, samples.main, resampling)};
  for (Metric& metric : task_metrics(samples, task, cosine, resampling))
    out.push_back(std::move(metric));
  for (std::size_t i = 0; samples.outputs.size() > 1 && i < samples.outputs.size(); ++i) {
    for (Metric metric :
         {cosine_metric(samples, i, resampling), sqnr_metric(samples, i, resampling)}) {
      metric.context.output = samples.outputs[i];
      out.push_back(std::move(metric));
    }
  }
  for (Metric& metric : out) metric.samples_path = samples_path;
  return out;
}

Result<void> write_samples(const TensorSamples& samples, const std::filesystem::path& path) {
  Json json{{"outputs", samples.outputs},
            {"main", samples.outputs.empty() ? "" : samples.outputs[samples.main]},
            {"cosine", samples.cosine},
            {"noise", samples.noise}};
  const auto add_list = [&](const char* name, const auto& list) {
    if (!list.empty()) json[name] = list;
  };
  add_list("agreement", samples.agreement);
  add_list("value", samples.value);
  add_list("value_reference", samples.value_reference);
  add_list("labelled", samples.labelled);
  add_list("score", samples.score);
  add_list("score_reference", samples.score_reference);
  return write_whole(path, text_of(json) + "\n");
}

}  // namespace strop::measure
