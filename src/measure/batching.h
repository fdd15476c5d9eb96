// How much an engine does per second when it is given several samples, or sequences, at once.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "strop/measurement.h"
#include "strop/result.h"

namespace strop::measure {

struct Batch {
  std::uint32_t size = 1;
  std::vector<double> seconds;  // of each inference with it
};

struct Batching {
  std::vector<Batch> tried;  // 1, 2, 4, ...; never empty once measured
  std::size_t best = 0;      // into tried: the one with the most samples per second
  std::string ended_by;      // why none beyond the last
};

// Doubles the batch from 1 while each doubling gives more than 5 % more samples per second, up to
// `most`, and as long as a batch can be expected to take at most longest_seconds. `seconds_of` runs
// one batch; its failure at a batch beyond 1 ends the search with what was found, a cancellation or
// a failure at 1 is the answer.
Result<Batching> best_batch(const std::function<Result<double>(std::uint32_t batch)>& seconds_of,
                            std::uint32_t most, double longest_seconds = 2);

// What one sample of a batch is worth, and what the measurement says beside the batch.
struct BatchSample {
  std::string unit = "samples/s";
  double worth = 1;
  MetricContext context = {};
};

// batch_throughput at each batch that was tried.
std::vector<Metric> batch_metrics(const Batching& batching, const BatchSample& sample = {});

// throughput, in samples/s, at the batch that won, and then batch_metrics.
std::vector<Metric> throughput_metrics(const Batching& batching);

}  // namespace strop::measure
