// What requests say about latency and rates.
#include <algorithm>
#include <charconv>

#include "core/files.h"
#include "measure/speed.h"
#include "measure/traffic.h"

namespace strop::measure {
namespace {

constexpr double kMilliseconds = 1000;

// Median with the interval of order statistics; without one when the samples are too few for it.
Metric median_metric(const char* name, const char* unit, std::span<const double> values,
                     const MetricContext& context) {
  return {.metric = name,
          .unit = unit,
          .context = context,
          .value = median(values),
          .interval = quantile_interval(values, 0.5),
          .samples = static_cast<std::uint32_t>(values.size())};
}

// One value per request.
template <class Value>
std::vector<double> each(std::span<const Request> requests, const Value& value) {
  std::vector<double> out;
  for (const Request& request : requests) out.push_back(value(request));
  return out;
}

struct Gaps {
  std::vector<double> ms;  // between neighbouring moments, of all requests
  Clusters by_request;
};

// From the `first` moment on; the gap before moment 0 began with the request.
Gaps gaps_of(std::span<const Request> requests, std::size_t first) {
  Gaps gaps;
  for (const Request& request : requests) {
    for (std::size_t i = first; i < request.seconds.size(); ++i) {
      const double begin = i == 0 ? 0 : request.seconds[i - 1];
      gaps.ms.push_back((request.seconds[i] - begin) * kMilliseconds);
      gaps.by_request.cluster_of.push_back(gaps.by_request.count);
    }
    if (request.seconds.size() > first) ++gaps.by_request.count;
  }
  return gaps;
}

// A tail percentile of too few samples says nothing and is left out.
void add_percentile(std::vector<Metric>& out, const std::string& name, const Gaps& gaps, double p,
                    const MetricContext& context, const Resampling& resampling) {
  if (p > 0.5 && gaps.ms.size() < samples_needed(p)) return;
  // Moments of one request share its disturbances: whole requests are drawn.
  const Estimate estimate = cluster_quantile(gaps.ms, p, gaps.by_request, resampling);
  Metric metric{.metric = name,
                .unit = "ms",
                .context = context,
                .value = estimate.value,
                .samples = static_cast<std::uint32_t>(gaps.ms.size())};
  if (gaps.by_request.count > 1) metric.interval = estimate.interval;
  out.push_back(metric);
}

// Of all moments; whole requests are drawn.
Metric variation_metric(const std::string& name, const Gaps& gaps, const MetricContext& context,
                        const Resampling& resampling) {
  std::vector<std::vector<double>> of_request(gaps.by_request.count);
  for (std::size_t i = 0; i < gaps.ms.size(); ++i)
    of_request[gaps.by_request.cluster_of[i]].push_back(gaps.ms[i]);
  std::vector<double> drawn;
  const Estimate estimate = bootstrap(
      of_request.size(),
      [&](std::span<const std::size_t> requests) {
        drawn.clear();
        for (const std::size_t request : requests)
          drawn.insert(drawn.end(), of_request[request].begin(), of_request[request].end());
        return coefficient_of_variation(drawn);
      },
      resampling);
  Metric metric{.metric = name,
                .unit = "ratio",
                .context = context,
                .value = estimate.value,
                .samples = static_cast<std::uint32_t>(gaps.ms.size()),
                .noisy = of_request.size() < 2};
  if (!metric.noisy) metric.interval = estimate.interval;
  return metric;
}

void add_percentiles(std::vector<Metric>& out, const std::string& latency,
                     const std::string& variation, const Gaps& gaps, const MetricContext& context,
                     const Resampling& resampling) {
  if (gaps.ms.size() < 2) return;
  add_percentile(out, latency + "_p50", gaps, 0.5, context, resampling);
  add_percentile(out, latency + "_p95", gaps, 0.95, context, resampling);
  add_percentile(out, latency + "_p99", gaps, 0.99, context, resampling);
  out.push_back(variation_metric(variation, gaps, context, resampling));
}

double decode_rate(const Request& request) {
  return static_cast<double>(request.seconds.size() - 1) /
         (request.seconds.back() - request.seconds.front());
}

// As many digits as bring the same value back.
std::string exact(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  return out + '"';
}

std::string json_of(const Series& series) {
  std::string out = "{\"name\":" + quoted(series.name) + ",\"seconds\":[";
  for (const Request& request : series.requests) {
    out += &request == series.requests.data() ? "\n[" : ",\n[";
    for (std::size_t i = 0; i < request.seconds.size(); ++i) {
      if (i > 0) out += ',';
      out += exact(request.seconds[i]);
    }
    out += ']';
  }
  return out + "]}";
}

}  // namespace

std::vector<Metric> request_metrics(std::span<const Request> requests, std::uint32_t prompt_tokens,
                                    const Resampling& resampling) {
  if (requests.empty()) return {};
  const auto new_tokens = static_cast<std::uint32_t>(requests.front().seconds.size());
  const MetricContext context{.prompt_tokens = prompt_tokens, .new_tokens = new_tokens};
  const auto first_token_ms =
      each(requests, [](const Request& r) { return r.seconds.front() * kMilliseconds; });
  std::vector<Metric> out{
      median_metric("request_time", "s", each(requests, request_seconds), context),
      median_metric("time_to_first_token", "ms", first_token_ms, context)};
  add_percentiles(out, "inter_token_latency", "inter_token_variation", gaps_of(requests, 1),
                  context, resampling);
  const bool decodes = std::all_of(requests.begin(), requests.end(), [](const Request& r) {
    return r.seconds.back() > r.seconds.front();
  });
  if (decodes) {
    MetricContext at_depth = context;
    at_depth.depth = prompt_tokens;
    out.push_back(median_metric("decode_rate", "tokens/s", each(requests, decode_rate), at_depth));
  }
  out.push_back(median_metric(
      "prefill_rate", "tokens/s",
      each(requests, [&](const Request& r) { return prompt_tokens / r.seconds.front(); }),
      context));
  return out;
}

std::vector<Metric> inference_metrics(std::span<const Request> requests,
                                      const Resampling& resampling) {
  if (requests.empty()) return {};
  const MetricContext context{.inferences =
                                  static_cast<std::uint32_t>(requests.front().seconds.size())};
  std::vector<Metric> out{
      median_metric("request_time", "s", each(requests, request_seconds), context)};
  add_percentiles(out, "inference_time", "inference_variation", gaps_of(requests, 0), context,
                  resampling);
  return out;
}

std::vector<Unmeasured> lacking_percentiles(std::span<const Metric> figures) {
  constexpr std::string_view kMedian = "_p50";
  std::vector<Unmeasured> out;
  for (const Metric& figure : figures) {
    if (!figure.metric.ends_with(kMedian)) continue;
    const std::string name = figure.metric.substr(0, figure.metric.size() - kMedian.size());
    for (const auto& [suffix, p] : {std::pair{"_p95", 0.95}, std::pair{"_p99", 0.99}})
      if (const auto lacks = lacks_samples(p, figure.samples))
        out.push_back({name + suffix, figure.context, *lacks});
  }
  return out;
}

std::vector<Metric> load_metrics(std::span<const double> load_seconds) {
  if (load_seconds.empty()) return {};
  return {median_metric("load_time", "s", load_seconds, {})};
}

Result<void> write_samples(const Timing& timing, const std::filesystem::path& path) {
  std::string out = str("{\"disturbed_rounds\":", timing.disturbed,
                        ",\"settled\":", timing.settled ? "true" : "false", ",\"series\":[");
  for (const Series& series : timing.series) {
    if (&series != timing.series.data()) out += ',';
    out += json_of(series);
  }
  return write_whole(path, out + "]}\n");
}

}  // namespace strop::measure
