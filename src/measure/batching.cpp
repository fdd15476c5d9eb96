#include "measure/batching.h"

#include <algorithm>

#include "measure/statistics.h"

namespace strop::measure {
namespace {

constexpr double kWorthIt = 1.05;
constexpr std::size_t kInferences = 5;  // of each batch, after one that does not count

double rate(const Batch& batch) { return batch.size / median(batch.seconds); }

Result<Batch> timed(const std::function<Result<double>(std::uint32_t)>& seconds_of,
                    std::uint32_t batch) {
  Batch timed{batch, {}};
  for (std::size_t i = 0; i <= kInferences; ++i) {
    STROP_TRY(const double took, seconds_of(batch));
    if (!(took > 0))
      return Error{ErrorCode::backend, "[measure] an inference must take time, but took none"};
    if (i > 0) timed.seconds.push_back(took);
  }
  return timed;
}

Metric rate_metric(const std::string& name, const Batch& batch, const BatchSample& sample) {
  std::vector<double> rates;
  for (const double seconds : batch.seconds) rates.push_back(batch.size * sample.worth / seconds);
  MetricContext context = sample.context;
  context.batch = batch.size;
  return {.metric = name,
          .unit = sample.unit,
          .context = context,
          .value = median(rates),
          .interval = quantile_interval(rates, 0.5),
          .samples = static_cast<std::uint32_t>(rates.size())};
}

}  // namespace

Result<Batching> best_batch(const std::function<Result<double>(std::uint32_t batch)>& seconds_of,
                            std::uint32_t most, double longest_seconds) {
  Batching found;
  STROP_TRY(found.tried.emplace_back(), timed(seconds_of, 1));
  for (std::uint32_t size = 2; size <= most; size *= 2) {
    if (median(found.tried.back().seconds) * 2 > longest_seconds) {
      found.ended_by = str("a batch of ", size, " would take longer than ", longest_seconds, " s");
      return found;
    }
    auto batch = timed(seconds_of, size);
    if (!batch) {
      if (batch.error().code == ErrorCode::cancelled) return std::move(batch).error();
      found.ended_by = batch.error().message;
      return found;
    }
    found.tried.push_back(*std::move(batch));
    if (rate(found.tried.back()) <= kWorthIt * rate(found.tried[found.best])) {
      found.ended_by = str("a batch of ", size, " gave at most 5 % more");
      return found;
    }
    found.best = found.tried.size() - 1;
  }
  found.ended_by = str("a batch of at most ", most, " fits");
  return found;
}

std::vector<Metric> batch_metrics(const Batching& batching, const BatchSample& sample) {
  std::vector<Metric> metrics;
  for (const Batch& batch : batching.tried)
    metrics.push_back(rate_metric("batch_throughput", batch, sample));
  return metrics;
}

std::vector<Metric> throughput_metrics(const Batching& batching) {
  std::vector<Metric> metrics = batch_metrics(batching);
  metrics.insert(metrics.begin(),
                 rate_metric("throughput", batching.tried.at(batching.best), BatchSample{}));
  return metrics;
}

}  // namespace strop::measure
