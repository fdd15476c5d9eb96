#include "measure/traffic.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <map>
#include <set>

#include "core/files.h"
#include "core/json.h"
#include "measure/random.h"

namespace strop::measure {
namespace {

constexpr double kGrain = 1e-9;  // s: a moment that a sum of doubles may miss
constexpr double kForever = std::numeric_limits<double>::infinity();

struct InService {
  double intended = 0;
  double started = 0;
};

// What both loops do: hand requests to free streams and note what comes back.
class Loop {
 public:
  Loop(Server& server, Clock& clock) : server_(server), clock_(clock), begin_(clock.seconds()) {
    for (std::uint32_t i = 0; i < server.streams(); ++i) free_.insert(i);
    traffic_.streams = server.streams();
  }

  double now() { return clock_.seconds() - begin_; }
  bool has_free() const { return !free_.empty(); }
  bool is_serving() const { return !serving_.empty(); }
  std::size_t errors() const { return traffic_.errors.size(); }

  void start(double intended) {
    const std::uint32_t stream = *free_.begin();
    free_.erase(free_.begin());
    serving_[stream] = {intended, now()};
    server_.begin(stream);
  }

  // The stream that became free; nothing when the moment came first.
  std::optional<std::uint32_t> wait(double until) {
    std::optional<Completion> done = server_.wait(begin_ + until);
    if (!done) return {};
    const InService request = serving_.at(done->stream);
    serving_.erase(done->stream);
    free_.insert(done->stream);
    if (done->request)
      traffic_.served.push_back({request.intended, request.started, done->finished - begin_,
                                 done->stream, done->request->seconds});
    else
      traffic_.errors.push_back(done->request.error().message);
    return done->stream;
  }

  void leave_unserved(double intended) { traffic_.unserved.push_back(now() - intended); }

  Traffic end() {
    for (const auto& [stream, request] : serving_) leave_unserved(request.intended);
    traffic_.seconds = now();
    std::stable_sort(traffic_.served.begin(), traffic_.served.end(),
                     [](const Served& a, const Served& b) { return a.intended < b.intended; });
    return std::move(traffic_);
  }

 private:
  Server& server_;
  Clock& clock_;
  double begin_;
  std::set<std::uint32_t> free_;
  std::map<std::uint32_t, InService> serving_;
  Traffic traffic_;
};

// Runs of neighbouring requests, about as many as there are requests in each.
Clusters runs_of(std::size_t count) {
  const auto length = static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  Clusters clusters;
  for (std::size_t i = 0; i < count; ++i)
    clusters.cluster_of.push_back(static_cast<std::uint32_t>(i / length));
  clusters.count = count == 0 ? 0 : clusters.cluster_of.back() + 1;
  return clusters;
}

struct Percentile {
  const char* suffix;
  double p;
};
constexpr Percentile kPercentiles[] = {{"_p50", 0.5}, {"_p95", 0.95}, {"_p99", 0.99}};

void add_percentiles(TrafficFigures& out, const std::string& name,
                     const std::vector<double>& values, const Clusters& clusters,
                     const MetricContext& context, const Resampling& resampling) {
  for (const Percentile& percentile : kPercentiles) {
    const std::string metric = name + percentile.suffix;
    const auto lacks =
        percentile.p > 0.5 ? lacks_samples(percentile.p, values.size()) : std::nullopt;
    if (values.empty() || lacks) {
      out.not_measured.push_back({metric, context, lacks.value_or("no request was answered")});
      continue;
    }
    const Estimate estimate = cluster_quantile(values, percentile.p, clusters, resampling);
    Metric made{.metric = metric,
                .unit = "ms",
                .context = context,
                .value = estimate.value,
                .samples = static_cast<std::uint32_t>(values.size())};
    if (clusters.count > 1) made.interval = estimate.interval;
    out.metrics.push_back(std::move(made));
  }
}

std::vector<double> latencies_ms(const Traffic& traffic) {
  std::vector<double> out;
  for (const Served& request : traffic.served)
    out.push_back((request.finished - request.intended) * 1000);
  // They waited at least so long.
  for (double waited : traffic.unserved) out.push_back(waited * 1000);
  return out;
}

}  // namespace

std::vector<double> poisson_arrivals(double rate, double seconds, std::uint64_t seed) {
  STROP_ASSERT(rate > 0 && std::isfinite(rate), "rate ", rate);
  Random random(seed);
  std::vector<double> moments;
  for (double at = -std::log1p(-random.uniform()) / rate; at < seconds;
       at += -std::log1p(-random.uniform()) / rate)
    moments.push_back(at);
  return moments;
}

Traffic closed_loop(Server& server, double seconds, Clock& clock, std::stop_token stop,
                    std::size_t max_errors) {
  Loop loop(server, clock);
  const auto goes_on = [&] {
    return !stop.stop_requested() && loop.now() < seconds && loop.errors() < max_errors;
  };
  while (true) {
    while (loop.has_free() && goes_on()) loop.start(loop.now());
    if (!loop.is_serving()) break;
    loop.wait(kForever);
  }
  return loop.end();
}

Traffic open_loop(Server& server, std::span<const double> arrivals, double drain_seconds,
                  Clock& clock, std::stop_token stop, std::size_t max_errors) {
  Loop loop(server, clock);
  std::deque<double> queue;
  std::size_t next = 0;
  const double end = (arrivals.empty() ? 0 : arrivals.back()) + drain_seconds;
  while (loop.errors() < max_errors && !stop.stop_requested()) {
    while (next < arrivals.size() && arrivals[next] <= loop.now() + kGrain)
      queue.push_back(arrivals[next++]);
    while (!queue.empty() && loop.has_free()) {
      loop.start(queue.front());
      queue.pop_front();
    }
    const bool all_arrived = next == arrivals.size();
    if (all_arrived && !loop.is_serving()) break;
    if (loop.now() + kGrain >= end) break;
    loop.wait(all_arrived ? end : std::min(arrivals[next], end));
  }
  for (double intended : queue) loop.leave_unserved(intended);
  return loop.end();
}

std::optional<std::string> lacks_samples(double p, std::uint64_t samples) {
  const std::uint64_t needed = samples_needed(p);
  if (samples >= needed) return {};
  return str("needs ", needed, " samples, has ", samples);
}

TrafficFigures traffic_figures(const Traffic& traffic, const MetricContext& context, bool of_text,
                               const Resampling& resampling) {
  TrafficFigures out;
  std::vector<double> first_ms, gaps_ms;
  Clusters by_request;
  std::uint64_t moments = 0;
  for (const Served& request : traffic.served) {
    moments += request.moments.size();
    if (!request.moments.empty())
      first_ms.push_back((request.started + request.moments.front() - request.intended) * 1000);
    for (std::size_t i = 1; i < request.moments.size(); ++i) {
      gaps_ms.push_back((request.moments[i] - request.moments[i - 1]) * 1000);
      by_request.cluster_of.push_back(by_request.count);
    }
    if (request.moments.size() > 1) ++by_request.count;
  }
  const auto count = static_cast<std::uint32_t>(traffic.served.size());
  if (count > 0 && traffic.seconds > 0) {
    out.metrics.push_back({.metric = "throughput",
                           .unit = of_text ? "tokens/s" : "samples/s",
                           .context = context,
                           .value = static_cast<double>(moments) / traffic.seconds,
                           .samples = count});
    out.metrics.push_back({.metric = "request_rate",
                           .unit = "requests/s",
                           .context = context,
                           .value = count / traffic.seconds,
                           .samples = count});
  }
  const std::vector<double> latency = latencies_ms(traffic);
  add_percentiles(out, "request_latency", latency, runs_of(latency.size()), context, resampling);
  if (of_text) {
    add_percentiles(out, "time_to_first_token", first_ms, runs_of(first_ms.size()), context,
                    resampling);
    add_percentiles(out, "inter_token_latency", gaps_ms, by_request, context, resampling);
  }
  out.metrics.push_back(
      {.metric = "request_errors",
       .unit = "requests",
       .context = context,
       .value = static_cast<double>(traffic.errors.size() + traffic.unserved.size()),
       .samples =
           static_cast<std::uint32_t>(count + traffic.errors.size() + traffic.unserved.size())});
  return out;
}

void add(TrafficFigures figures, const std::string& samples_path, Measurement& measurement) {
  for (Metric& metric : figures.metrics) {
    metric.samples_path = samples_path;
    measurement.metrics.push_back(std::move(metric));
  }
  for (Unmeasured& one : figures.not_measured) measurement.not_measured.push_back(std::move(one));
}

Result<void> write_samples(const Traffic& traffic, const std::filesystem::path& path) {
  Json requests = Json::array();
  for (const Served& request : traffic.served)
    requests.push_back({{"intended", request.intended},
                        {"started", request.started},
                        {"finished", request.finished},
                        {"stream", request.stream},
                        {"moments", request.moments}});
  const Json all{{"streams", traffic.streams},
                 {"seconds", traffic.seconds},
                 {"errors", traffic.errors},
                 {"unserved", traffic.unserved},
                 {"requests", requests}};
  return write_whole(path, text_of(all) + "\n");
}

}  // namespace strop::measure
