// Requests from outside, as users send them: closed loop (each stream asks again when it is
// answered) and open loop (arrivals do not wait for answers). The loops know a Server and a Clock
// only, so that a simulated server of known service times tests them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "measure/speed.h"
#include "strop/measurement.h"
#include "strop/result.h"

namespace strop::measure {

struct Completion {
  std::uint32_t stream = 0;
  double finished = 0;  // by the clock of the loop
  Result<Request> request = Request{};
};

// Streams that each serve one request at a time.
class Server {
 public:
  virtual ~Server() = default;
  virtual std::uint32_t streams() const = 0;
  // Begins a request on a stream that serves none; returns at once.
  virtual void begin(std::uint32_t stream) = 0;
  // The next completion, or nothing when the clock reaches `until` before there is one. Returns at
  // once when no request is being served and `until` has passed.
  virtual std::optional<Completion> wait(double until) = 0;
};

// One request, in seconds since the loop began.
struct Served {
  double intended = 0;  // when it should have begun: its arrival
  double started = 0;   // when a stream took it
  double finished = 0;
  std::uint32_t stream = 0;
  std::vector<double> moments;  // of the work (a new token, an inference), since `started`
  bool operator==(const Served&) const = default;
};

struct Traffic {
  std::vector<Served> served;       // in the order of their arrival
  std::vector<double> unserved;     // how long those that nobody answered had waited at the end
  std::vector<std::string> errors;  // of requests that failed
  double seconds = 0;               // from the first arrival to the end
  std::uint32_t streams = 0;
  bool operator==(const Traffic&) const = default;
};

// Moments of a Poisson process with this rate (per second) in [0, seconds): same seed, same
// moments.
std::vector<double> poisson_arrivals(double rate, double seconds, std::uint64_t seed);

// Each stream asks again as soon as it is answered, for so many seconds; what is being served then
// is waited for and counts. At most max_errors failed requests, then it ends.
Traffic closed_loop(Server& server, double seconds, Clock& clock, std::stop_token stop,
                    std::size_t max_errors = 10);

// Requests arrive at these moments whether or not a stream is free, and wait in one queue. Latency
// counts from the arrival, so that a stall is seen by everybody who came while it lasted. After the
// last arrival at most drain_seconds are waited; what is unanswered then is counted.
Traffic open_loop(Server& server, std::span<const double> arrivals, double drain_seconds,
                  Clock& clock, std::stop_token stop, std::size_t max_errors = 10);

// What the traffic says, and what it has too few requests to say, with the number that it needs.
// throughput (of moments, in `unit`), request_rate, request_latency_p50 / p95 / p99 (from the
// arrival), request_errors; of texts time_to_first_token_p50 / p95 / p99 (from the arrival) and
// inter_token_latency_p50 / p95 / p99. Neighbouring requests of a queue depend on each other: runs
// of them are drawn.
struct TrafficFigures {
  std::vector<Metric> metrics;
  std::vector<Unmeasured> not_measured;
};
TrafficFigures traffic_figures(const Traffic& traffic, const MetricContext& context, bool of_text,
                               const Resampling& resampling = {});

// Adds them to what was measured, with the path of their raw samples; empty: none were kept.
void add(TrafficFigures figures, const std::string& samples_path, Measurement& measurement);

// "needs 662 samples, has 512"; nothing when there are enough.
std::optional<std::string> lacks_samples(double p, std::uint64_t samples);

// Raw, as JSON, whole or not at all.
Result<void> write_samples(const Traffic& traffic, const std::filesystem::path& path);

}  // namespace strop::measure
