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

constexpr std::array kTextExpected{Sought{"accuracy", "accuracy"},
                                   Sought{"kl_mean", "divergence"},
                                   Sought{"speedup", "speed against the original"},
                                   Sought{"request_time", "request time"},
                                   Sought{"time_to_first_token", "time to first token"},
                                   Sought{"inter_token_latency_p50", "decode latency"},
                                   Sought{"inter_token_latency_p95", "decode latency p95"},
                                   Sought{"inter_token_latency_p99", "decode latency p99"},
                                   Sought{"peak_memory", "peak memory"},
                                   Sought{"energy_per_token", "energy"}};
constexpr std::array kTensorExpected{Sought{"accuracy", "accuracy"},
                                     Sought{"noise_ratio", "noise"},
                                     Sought{"speedup", "speed against the original"},
                                     Sought{"request_time", "request time"},
                                     Sought{"inference_time_p50", "inference time"},
                                     Sought{"inference_time_p95", "inference time p95"},
                                     Sought{"inference_time_p99", "inference time p99"},
                                     Sought{"throughput", "throughput at the best batch"},
                                     Sought{"peak_memory", "peak memory"},
                                     Sought{"energy_per_inference", "energy"}};

constexpr std::array kTextWatched{Sought{"inter_token_latency_p95", "p95 time per token"},
                                  Sought{"time_to_first_token", "median time to first token"},
                                  Sought{"request_time", "median request time"},
                                  Sought{"peak_memory", "memory"},
                                  Sought{"kl_mean", "mean divergence from the original"}};
constexpr std::array kTensorWatched{Sought{"inference_time_p95", "p95 time of one inference"},
                                    Sought{"inference_time_p50", "median time of one inference"},
                                    Sought{"peak_memory", "memory"},
                                    Sought{"noise_ratio", "noise over signal"}};

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
