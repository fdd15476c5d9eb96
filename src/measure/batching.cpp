#include "measure/batching.h"

#include <algorithm>

#include "measure/statistics.h"

namespace strop::measure {
namespace {

constexpr double kWorthIt = 1.05;
constexpr std::size_t kInferences = 5;   // of each batch, after one that does not count
constexpr double kLongestSeconds = 2.0;  // of one inference

double rate(std::uint32_t batch, std::span<const double> seconds) {
  return batch / median(seconds);
}

Result<std::vector<double>> timed(const std::function<Result<double>(std::uint32_t)>& seconds_of,
                                  std::uint32_t batch) {
  std::vector<double> seconds;
  for (std::size_t i = 0; i <= kInferences; ++i) {
    STROP_TRY(const double took, seconds_of(batch));
    if (!(took > 0))
      return Error{ErrorCode::backend, "[measure] an inference must take time, but took none"};
    if (i > 0) seconds.push_back(took);
  }
  return seconds;
}

}  // namespace

Result<Batching> best_batch(const std::function<Result<double>(std::uint32_t batch)>& seconds_of,
                            std::uint32_t most) {
  Batching best;
  STROP_TRY(best.seconds, timed(seconds_of, 1));
  double last_seconds = median(best.seconds);
  for (std::uint32_t batch = 2; batch <= most; batch *= 2) {
    if (last_seconds * 2 > kLongestSeconds) {
      best.ended_by = str("a batch of ", batch, " would take longer than ", kLongestSeconds, " s");
      return best;
    }
    auto seconds = timed(seconds_of, batch);
    if (!seconds) {
      if (seconds.error().code == ErrorCode::cancelled) return std::move(seconds).error();
      best.ended_by = seconds.error().message;
      return best;
    }
    best.tried = batch;
    last_seconds = median(*seconds);
    if (rate(batch, *seconds) <= kWorthIt * rate(best.batch, best.seconds)) {
      best.ended_by = str("a batch of ", batch, " gave at most 5 % more");
      return best;
    }
    best.batch = batch;
    best.seconds = *std::move(seconds);
  }
  best.ended_by = str("a batch of at most ", most, " fits");
  return best;
}

Metric throughput_metric(const Batching& batching) {
  std::vector<double> rates;
  for (const double seconds : batching.seconds) rates.push_back(batching.batch / seconds);
  return {.metric = "throughput",
          .unit = "samples/s",
          .context = {.batch = batching.batch},
          .value = median(rates),
          .interval = quantile_interval(rates, 0.5),
          .samples = static_cast<std::uint32_t>(rates.size())};
}

}  // namespace strop::measure
