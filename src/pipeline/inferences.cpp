#include "pipeline/inferences.h"

#include <algorithm>
#include <cmath>

#include "core/stop.h"

namespace strop::pipeline {
namespace {

// A request is as many inferences as take about this long, so that it can be timed at all and a
// few rounds of it hold enough inferences for percentiles.
constexpr double kRequestSeconds = 0.1;
constexpr double kLeastInferences = 4, kMostInferences = 100;
constexpr std::uint32_t kTrials = 3;        // inferences that tell how long one takes
constexpr std::uint32_t kSampleSizes = 64;  // looked at for the usual one
constexpr std::uint32_t kMostBatch = 256;
constexpr double kLeastSeconds = 1e-6;  // below the clock's grain

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

}  // namespace

std::uint64_t bytes_of(std::span<const Tensor> tensors) {
  std::uint64_t bytes = 0;
  for (const Tensor& tensor : tensors) bytes += tensor.data.size();
  return bytes;
}

Result<std::vector<Tensor>> usual_sample(std::uint32_t available,
                                         const measure::SampleSource& sample) {
  std::vector<std::pair<std::uint64_t, std::uint32_t>> sizes;
  for (std::uint32_t i = 0; i < std::min(available, kSampleSizes); ++i) {
    STROP_TRY(const auto tensors, sample(i));
    sizes.emplace_back(bytes_of(tensors), i);
  }
  if (sizes.empty())
    return Error{.code = ErrorCode::invalid_input,
                 .message = "[measure] the data has no sample to evaluate on",
                 .hint = "Give more samples with --data.",
                 .field = "--data"};
  std::sort(sizes.begin(), sizes.end());
  return sample(sizes[sizes.size() / 2].second);
}

Result<std::vector<double>> trial_seconds(TensorSession& session, std::span<const Tensor> sample) {
  std::vector<double> took;
  for (std::uint32_t i = 0; i <= kTrials; ++i) {
    STROP_TRY(const Inference inference, session.infer(sample));
    if (i > 0) took.push_back(inference.seconds);
  }
  return took;
}

std::uint32_t inferences_of_request(double seconds) {
  return static_cast<std::uint32_t>(
      std::clamp(std::ceil(kRequestSeconds / std::max(seconds, kLeastSeconds)), kLeastInferences,
                 kMostInferences));
}

Result<measure::Request> timed_inferences(TensorSession& session, std::span<const Tensor> sample,
                                          std::uint32_t count, const std::stop_token& stop) {
  measure::Request request;
  double total = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    STROP_CHECK(check_stop(stop));
    STROP_TRY(const Inference inference, session.infer(sample));
    request.seconds.push_back(total += inference.seconds);
  }
  return request;
}

measure::Contestant inferring(const std::string& name, WorkerSession& worker,
                              std::span<const Tensor> sample, std::uint32_t count,
                              std::stop_token stop) {
  TensorSession* const session = worker.session().tensors();
  return {.name = name, .request = [session, sample, count, stop = std::move(stop)] {
            return timed_inferences(*session, sample, count, stop);
          }};
}

bool is_batchable(const Model& model) {
  return !model.inputs.empty() &&
         std::all_of(model.inputs.begin(), model.inputs.end(), [](const Port& port) {
           return !port.any_rank && !port.shape.empty() && port.shape.front() < 0;
         });
}

Result<measure::Batching> best_batch_of(WorkerSession& worker, const std::vector<Tensor>& sample,
                                        const std::stop_token& stop) {
  TensorSession& session = *worker.session().tensors();
  const auto run = [&](std::uint32_t batch) -> Result<double> {
    STROP_CHECK(check_stop(stop));
    STROP_TRY(const Inference inference, session.infer(stacked(sample, batch)));
    STROP_CHECK(check_results(inference.outputs, batch));
    return inference.seconds;
  };
  const std::uint64_t fits =
      worker.process().block().bytes().size() / std::max<std::uint64_t>(1, bytes_of(sample));
  return measure::best_batch(run,
                             static_cast<std::uint32_t>(std::min<std::uint64_t>(fits, kMostBatch)));
}

}  // namespace strop::pipeline
