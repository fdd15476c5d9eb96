// The paired timing protocol: contestants take turns, and only ratios within one round count. An
// absolute time on a shared machine proves nothing; noise that is slower than a round cancels in
// the ratio.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "measure/load.h"
#include "measure/statistics.h"
#include "strop/backend.h"
#include "strop/measurement.h"
#include "strop/report.h"

namespace strop::measure {

// One piece of work, with the clock inside the worker: when each of its moments was over, from its
// start. A moment is a new token of a text, or one inference of several. The last is its wall time.
struct Request {
  std::vector<double> seconds;
};

// Something that can do the same piece of work again and again.
struct Contestant {
  std::string name;
  std::function<Result<Request>()> request;
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual double seconds() = 0;  // steady, any origin
};
Clock& steady_clock();

struct TimingOptions {
  std::uint32_t warm_up = 1;  // requests of each contestant that do not count
  std::uint32_t min_rounds = 8;
  std::uint32_t max_rounds = 40;
  double target_half_width = 0.02;  // of each ratio, relative
  double max_seconds = 120;         // no round but the first begins after this, warm-up included
  double max_foreign_cores = 0.25;  // above: the round is disturbed and repeated
  double max_steal = 0.03;
  std::uint32_t max_disturbed = 40;  // rounds; more than this and the machine is not fit for timing
  Resampling resampling;
};

// One contestant's requests, one per round that counts. Raw: everything below is derived from them.
struct Series {
  std::string name;
  std::vector<Request> requests;
};

struct Timing {
  std::vector<Series> series;       // in the contestants' order; round i is requests[i] of each
  std::uint32_t disturbed = 0;      // rounds that were repeated
  bool clean = false;               // enough rounds were undisturbed
  double target_half_width = 0;     // that was asked for
  bool settled = false;             // clean, and every ratio reached the target
  std::optional<ForeignLoad> load;  // over the whole time
};

// Rounds A B C, C B A, A B C, ...: a drift of the machine meets all alike. Rounds go on until every
// ratio to the first contestant is narrow enough or a limit is reached. When disturbance left fewer
// than min_rounds clean ones, the disturbed count too and `clean` is false. A contestant's error
// ends it. `load` may be null: nothing then counts as disturbed.
Result<Timing> time_rounds(std::span<const Contestant> contestants, const TimingOptions& options,
                           Clock& clock, LoadSampler* load, std::stop_token stop);

double request_seconds(const Request& request);

// How many times faster than the first contestant: median of the rounds' ratios first / contestant.
Estimate speedup(const Timing& timing, std::size_t contestant, const Resampling& resampling = {});

// The same as a metric, marked noisy unless the rounds were clean and its own interval is narrow: a
// restless contestant does not spoil the others.
Metric speedup_metric(const Timing& timing, std::size_t contestant, const MetricContext& context,
                      const Resampling& resampling = {});

// The A/A control: this contestant is the same thing as the first.
Control control_of(const Timing& timing, std::size_t contestant, const std::string& metric,
                   const Resampling& resampling = {});

// request_time, time_to_first_token, inter_token_latency_p50 / p95 / p99 (each only with enough
// samples), inter_token_variation, decode_rate and prefill_rate of requests with this many prompt
// tokens; load_time of openings. docs/metrics.md defines each.
std::vector<Metric> request_metrics(std::span<const Request> requests, std::uint32_t prompt_tokens,
                                    const Resampling& resampling = {});
// request_time, inference_time_p50 / p95 / p99 (each only with enough samples) and
// inference_variation of requests that are inferences, one after the other.
std::vector<Metric> inference_metrics(std::span<const Request> requests,
                                      const Resampling& resampling = {});
// Percentiles of these figures that there are too few samples for: "needs 662 samples, has 512".
std::vector<Unmeasured> lacking_percentiles(std::span<const Metric> figures);
std::vector<Metric> load_metrics(std::span<const double> load_seconds);

// The raw series as JSON, whole or not at all.
Result<void> write_samples(const Timing& timing, const std::filesystem::path& path);

}  // namespace strop::measure
