#include "report/wording.h"

#include <array>

namespace strop {
namespace {

constexpr std::array kTextLatencies{
    Named{"time_to_first_token", "first", "token", "First token", "time to first token"},
    Named{"inter_token_latency_p50", "per", "token", "Per token", "time per token"}};
constexpr std::array kTensorLatencies{
    Named{"inference_time_p50", "one", "inference", "One inference", "time of one inference"},
    Named{"throughput", "best", "throughput", "Best throughput", "throughput at the best batch"}};

constexpr std::array kTextExpected{
    Named{"accuracy", "", "", "", "accuracy"},
    Named{"kl_mean", "", "", "", "divergence"},
    Named{"speedup", "", "", "", "speed against the original"},
    Named{"request_time", "", "", "", "request time"},
    Named{"time_to_first_token", "", "", "", "time to first token"},
    Named{"inter_token_latency_p50", "", "", "", "decode latency"},
    Named{"inter_token_latency_p95", "", "", "", "decode latency p95"},
    Named{"inter_token_latency_p99", "", "", "", "decode latency p99"},
    Named{"peak_memory", "", "", "", "peak memory"},
    Named{"energy_per_token", "", "", "", "energy"}};
constexpr std::array kTensorExpected{
    Named{"accuracy", "", "", "", "accuracy"},
    Named{"noise_ratio", "", "", "", "noise"},
    Named{"speedup", "", "", "", "speed against the original"},
    Named{"request_time", "", "", "", "request time"},
    Named{"inference_time_p50", "", "", "", "inference time"},
    Named{"inference_time_p95", "", "", "", "inference time p95"},
    Named{"inference_time_p99", "", "", "", "inference time p99"},
    Named{"throughput", "", "", "", "throughput at the best batch"},
    Named{"peak_memory", "", "", "", "peak memory"},
    Named{"energy_per_inference", "", "", "", "energy"}};

constexpr std::array kTextWatched{
    Named{"inter_token_latency_p95", "", "", "", "p95 time per token"},
    Named{"time_to_first_token", "", "", "", "median time to first token"},
    Named{"request_time", "", "", "", "median request time"},
    Named{"peak_memory", "", "", "", "memory"},
    Named{"kl_mean", "", "", "", "mean divergence on the golden prompts"}};
constexpr std::array kTensorWatched{
    Named{"inference_time_p95", "", "", "", "p95 time of one inference"},
    Named{"inference_time_p50", "", "", "", "median time of one inference"},
    Named{"peak_memory", "", "", "", "memory"},
    Named{"noise_ratio", "", "", "", "noise over signal on the golden samples"}};

constexpr Wording kText{"kl_mean",   "KL divergence", "mean KL divergence, nats (log)",
                        "KL",        kTextLatencies,  kTextExpected,
                        kTextWatched};
constexpr Wording kTensors{"noise_ratio", "Noise over signal", "noise over signal, energy (log)",
                           "noise",       kTensorLatencies,    kTensorExpected,
                           kTensorWatched};

bool is_of_tensors(const Report& report) { return report.model && !report.model->inputs.empty(); }

}  // namespace

const Wording& wording(const Report& report) { return is_of_tensors(report) ? kTensors : kText; }

std::string request_words(const Report& report) {
  if (!report.request.empty()) return report.request;
  if (is_of_tensors(report)) return "inferences of a usual sample, one after the other";
  const Workload& workload = report.goal.workload;
  return str(workload.prompt_tokens, " prompt + ", workload.new_tokens, " new tokens");
}

}  // namespace strop
