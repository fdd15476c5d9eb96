// Measured values. What was not measured is absent, never 0.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strop/recipe.h"

namespace strop {

struct Interval {
  double low = 0;
  double high = 0;
  double confidence = 0.95;
  bool operator==(const Interval&) const = default;
};

// What a figure refers to; absent: does not apply.
struct MetricContext {
  std::optional<std::uint32_t> prompt_tokens;
  std::optional<std::uint32_t> new_tokens;
  std::optional<std::uint32_t> depth;  // tokens already in the cache
  std::optional<std::uint32_t> concurrency;
  std::optional<double> arrival_rate;  // requests/s of an open loop; a closed loop has none
  std::optional<std::uint32_t> position_begin;  // bucket of positions [begin, end)
  std::optional<std::uint32_t> position_end;
  std::optional<std::uint32_t> inferences;  // that one request is made of
  std::optional<std::uint32_t> batch;       // samples in one inference
  std::optional<std::string> output;        // of several, by its name
  std::string domain;    // part of the evaluation data, as the user named it; empty: all of it
  std::string sequence;  // one evaluated sequence: its document and where it begins there
  bool operator==(const MetricContext&) const = default;
};

// Names are those of docs/metrics.md: request_time, time_to_first_token, inter_token_latency_p50,
// decode_rate, prefill_rate, load_time, peak_memory, speedup, kl_mean, kl_p99, top1_agreement,
// perplexity, accuracy, inference_time_p50, throughput, cosine, sqnr, ...
struct Metric {
  std::string metric;
  std::string unit;  // s, ms, tokens/s, samples/s, bytes, nats, dB, ratio
  MetricContext context;
  double value = 0;
  std::optional<Interval> interval;
  std::uint32_t samples = 0;
  std::string samples_path;  // raw samples, relative to the run folder; empty when value is a count
  bool noisy = false;        // the interval did not become narrow enough, or the control failed
  bool operator==(const Metric&) const = default;
};

// What somebody may look for and does not find, and why: "needs 662 samples, has 512".
struct Unmeasured {
  std::string metric;
  MetricContext context;
  std::string reason;
  bool operator==(const Unmeasured&) const = default;
};

enum class Bottleneck { compute, bandwidth, capacity };

// The most that this machine allows for a phase of a request, and how near to it the artifact is.
struct Ceiling {
  std::string phase;                 // decode, prefill
  std::uint64_t bytes = 0;           // read from memory per token: weights, keys and values
  std::uint64_t operations = 0;      // per token
  double bytes_per_second = 0;       // streaming reads, measured in the same run
  double operations_per_second = 0;  // multiplications and additions in f32, likewise
  double tokens_per_second = 0;      // what the binding one of both allows
  double share = 0;                  // of it that was reached
  std::optional<Interval> interval;  // of the share, from that of the rate
  Bottleneck binds = Bottleneck::bandwidth;
  bool operator==(const Ceiling&) const = default;
};

struct Conditions {
  std::string engine_version;
  std::string cpu_variant;
  std::uint32_t threads = 0;
  std::optional<double> foreign_load;    // cores used by others while measuring, mean
  std::optional<double> steal_ratio;     // of CPU time, while measuring
  std::optional<double> frequency_mhz;   // of the cores, mean over them and over the time
  std::optional<double> frequency_drop;  // share that it fell from the first reading to the lowest
  std::optional<double> temperature_c;   // highest of the zones
  std::optional<std::uint64_t> throttle_events;  // that the cores counted meanwhile
  std::vector<std::string> confinement;          // what was enforced on the worker
  std::uint64_t seed = 0;
  std::string date;                       // ISO 8601, UTC
  std::vector<Placement> placement = {};  // of the model's nodes; empty: not reported
  std::vector<std::string> notes = {};    // of the engine on this session
  bool operator==(const Conditions&) const = default;
};

// A test of the measuring itself: the same thing twice.
struct Control {
  std::string metric;
  double ratio = 1;
  Interval interval;
  std::uint32_t pairs = 0;
  bool contains_one = false;
  bool operator==(const Control&) const = default;
};

struct Measurement {
  std::string artifact_id;
  std::string target_id;
  RunOptions run_options;  // as resolved by the engine
  Conditions conditions;
  std::vector<Metric> metrics;
  std::vector<Unmeasured> not_measured;
  std::vector<Ceiling> ceilings;
  std::optional<Control> control;  // the baseline twice, in the rounds that timed this
  std::string reused_from;         // run id, when taken over from an earlier run
  bool operator==(const Measurement&) const = default;
};

// Why it lacks the metric; empty when it says nothing of that.
std::string reason_not_measured(const Measurement& measurement, std::string_view metric);

// The metric with that name, narrowest context first; nullptr when not measured.
const Metric* find(const Measurement&, const std::string& metric,
                   const MetricContext& context = {});

}  // namespace strop
