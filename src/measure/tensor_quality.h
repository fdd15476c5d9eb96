// How near a tensor model's outputs are to the reference's, sample by sample, and how well both do
// what the user asks of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "measure/statistics.h"
#include "strop/backend.h"
#include "strop/measurement.h"
#include "strop/samples.h"

namespace strop::measure {

// What the outputs are for. The kinds are those of data.json; empty: nobody said.
struct TensorTask {
  std::string kind;    // classification, detection, embedding, regression
  std::string output;  // empty: the first of numbers with a fraction, else the first
};

// Raw: every figure is derived from these. One value per evaluation sample unless said otherwise.
struct TensorSamples {
  std::vector<std::string> outputs;         // the reference's, in its order
  std::size_t main = 0;                     // the output that the task is about
  std::vector<std::vector<double>> cosine;  // by output, then by sample
  std::vector<std::vector<double>> noise;   // noise_ratio, by output, then by sample
  // classification: share of rows with the same class; detection: overlap of the boxes.
  std::vector<double> agreement;
  // regression: the predicted numbers.
  std::vector<double> value, value_reference;
  // embedding: the vectors of the first samples, for their distances among each other.
  std::vector<std::vector<double>> vectors, vectors_reference;
  // Of the samples that have a label: how right each is (1 or 0, or the overlap with the true
  // boxes), or how far off (regression).
  std::vector<std::uint32_t> labelled;
  std::vector<double> score, score_reference;
  std::size_t size() const { return cosine.empty() ? 0 : cosine.front().size(); }
};

// The index of the output of that name; empty: the first of numbers with a fraction, else the
// first. outputs.size(): there is none.
std::size_t main_output(std::span<const Tensor> outputs, const std::string& name);

// The figures against the labels, the artifact's own and the reference's, and their unit.
struct LabelNames {
  const char *own, *reference, *unit;
};
LabelNames label_names(const TensorTask& task);

using SampleSource = std::function<Result<std::vector<Tensor>>(std::uint32_t index)>;

// Both sessions on each sample, side by side. `labels` has one entry for each or is empty. Fails
// with backend when the candidate lacks an output, gives another shape or a number that is not
// finite, with unsupported when the task's output is not of the task's form.
Result<TensorSamples> score_tensors(TensorSession& reference, TensorSession& candidate,
                                    std::uint32_t count, const SampleSource& sample,
                                    const TensorTask& task, std::span<const Label> labels,
                                    Progress* progress, std::stop_token stop);

// cosine, cosine_worst, noise_ratio and sqnr of the task's output and, where there are several,
// cosine and sqnr of each; by task top1_agreement, box_overlap, rank_agreement or explained, the
// label metrics where there are labels; accuracy. docs/metrics.md defines them.
std::vector<Metric> summarise(const TensorSamples& samples, const TensorTask& task,
                              const std::string& samples_path = {},
                              const Resampling& resampling = {.resamples = 1000});

// The raw samples as JSON. Appears whole or not at all.
Result<void> write_samples(const TensorSamples& samples, const std::filesystem::path& path);

}  // namespace strop::measure
