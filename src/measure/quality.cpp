// The metrics of quality samples: statistics are derived late, from raw values.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <numeric>

#include "core/files.h"
#include "measure/ruler.h"

namespace strop::measure {
namespace {

Metric metric_of(const char* name, const char* unit, const Estimate& estimate, std::size_t samples,
                 const std::string& samples_path) {
  return {.metric = name,
          .unit = unit,
          .value = estimate.value,
          .interval = estimate.interval,
          .samples = static_cast<std::uint32_t>(samples),
          .samples_path = samples_path};
}

Metric plain_metric(const char* name, const char* unit, double value, std::size_t samples,
                    const std::string& samples_path) {
  return {.metric = name,
          .unit = unit,
          .value = value,
          .samples = static_cast<std::uint32_t>(samples),
          .samples_path = samples_path};
}

// Clusters with ids 0..count-1 from runs of equal keys.
template <class SameCluster>
Clusters runs_of(std::size_t size, const SameCluster& same) {
  Clusters out;
  out.cluster_of.reserve(size);
  for (std::size_t i = 0; i < size; ++i) {
    if (i == 0 || !same(i - 1, i)) ++out.count;
    out.cluster_of.push_back(out.count - 1);
  }
  return out;
}

std::vector<std::size_t> indices_where(std::size_t size,
                                       const std::function<bool(std::size_t)>& keep) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < size; ++i)
    if (keep(i)) out.push_back(i);
  return out;
}

std::vector<double> at(std::span<const double> values, std::span<const std::size_t> indices) {
  std::vector<double> out;
  for (std::size_t i : indices) out.push_back(values[i]);
  return out;
}

// Mean divergence where positions lie in [begin, begin + width), one cluster per sequence.
Metric bucket_metric(const QualitySamples& samples, std::uint32_t begin,
                     const QualityOptions& options, const std::string& samples_path) {
  const auto indices = indices_where(samples.size(), [&](std::size_t i) {
    return samples.position[i] >= begin && samples.position[i] < begin + options.bucket;
  });
  const Clusters clusters = runs_of(indices.size(), [&](std::size_t a, std::size_t b) {
    return samples.sequence[indices[a]] == samples.sequence[indices[b]];
  });
  const Estimate kl = cluster_mean(at(samples.kl, indices), clusters, options.resampling);
  Metric out = metric_of("kl_mean", "nats", kl, indices.size(), samples_path);
  if (clusters.count < 2) out.interval.reset();  // one text says nothing about others
  out.context.position_begin = begin;
  out.context.position_end = begin + options.bucket;
  return out;
}

// The sequences with the largest mean divergence, the worst first.
std::vector<Metric> worst_sequences(const QualitySamples& samples, const QualityOptions& options,
                                    const std::string& samples_path) {
  struct Mean {
    std::uint32_t sequence = 0;
    double sum = 0;
    std::uint32_t count = 0;
    double mean() const { return sum / count; }
  };
  std::vector<Mean> means;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (means.empty() || means.back().sequence != samples.sequence[i])
      means.push_back({samples.sequence[i]});
    means.back().sum += samples.kl[i];
    ++means.back().count;
  }
  std::stable_sort(means.begin(), means.end(),
                   [](const Mean& a, const Mean& b) { return a.mean() > b.mean(); });
  means.resize(std::min<std::size_t>(means.size(), options.names.empty() ? 1u : options.worst));
  std::vector<Metric> out;
  for (const Mean& one : means) {
    Metric metric = plain_metric("kl_worst_sequence", "nats", one.mean(), one.count, samples_path);
    if (one.sequence < options.names.size())
      metric.context.sequence = options.names[one.sequence].sequence;
    out.push_back(std::move(metric));
  }
  return out;
}

// Divergence and accuracy of each domain, where there are several.
std::vector<Metric> domain_metrics(const QualitySamples& samples, const QualityOptions& options,
                                   const std::string& samples_path) {
  std::vector<std::string> domains;
  for (const SequenceName& name : options.names)
    if (!name.domain.empty() &&
        std::find(domains.begin(), domains.end(), name.domain) == domains.end())
      domains.push_back(name.domain);
  std::vector<Metric> out;
  if (domains.size() < 2) return out;
  for (const std::string& domain : domains) {
    const auto indices = indices_where(samples.size(), [&](std::size_t i) {
      return samples.sequence[i] < options.names.size() &&
             options.names[samples.sequence[i]].domain == domain;
    });
    if (indices.empty()) continue;
    const Clusters clusters = runs_of(indices.size(), [&](std::size_t a, std::size_t b) {
      return samples.sequence[indices[a]] == samples.sequence[indices[b]] &&
             samples.position[indices[a]] / options.cluster ==
                 samples.position[indices[b]] / options.cluster;
    });
    std::vector<double> gain;
    for (std::size_t i : indices)
      gain.push_back(samples.nll_reference[i] - samples.nll_candidate[i]);
    for (Metric metric :
         {metric_of("kl_mean", "nats",
                    cluster_mean(at(samples.kl, indices), clusters, options.resampling),
                    indices.size(), samples_path),
          metric_of("accuracy", "ratio", cluster_exp_mean(gain, clusters, options.resampling),
                    indices.size(), samples_path)}) {
      metric.context.domain = domain;
      if (clusters.count < 2) metric.interval.reset();
      out.push_back(std::move(metric));
    }
  }
  return out;
}

// Standard error of the mean divergence that the store's draws cause; draws are independent between
// positions.
double store_error(const QualitySamples& samples) {
  double squares = 0;
  for (double error : samples.kl_error) squares += error * error;
  return std::sqrt(squares) / static_cast<double>(samples.size());
}

void write_number(std::string& out, double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, static_cast<float>(value));
  out.append(text, end.ptr);
}
void write_number(std::string& out, std::uint32_t value) { out += std::to_string(value); }
void write_number(std::string& out, std::uint8_t value) { out += std::to_string(value); }

template <class T>
void write_array(std::string& out, const char* name, const std::vector<T>& values) {
  out += str(out.size() > 1 ? ",\n" : "\n", '"', name, "\":[");
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ',';
    write_number(out, values[i]);
  }
  out += ']';
}

}  // namespace

Clusters clusters_of(const QualitySamples& samples, std::uint32_t run_length) {
  return runs_of(samples.size(), [&](std::size_t a, std::size_t b) {
    return samples.sequence[a] == samples.sequence[b] &&
           samples.position[a] / run_length == samples.position[b] / run_length;
  });
}

std::vector<Metric> summarise(const QualitySamples& samples, const std::string& samples_path,
                              const QualityOptions& options) {
  if (samples.size() == 0) return {};
  const Clusters clusters = clusters_of(samples, options.cluster);
  const Resampling& resampling = options.resampling;
  const std::size_t count = samples.size();
  const std::vector<double> top1(samples.top1.begin(), samples.top1.end());
  std::vector<double> gain(count);  // of log-likelihood, by the candidate
  std::transform(samples.nll_reference.begin(), samples.nll_reference.end(),
                 samples.nll_candidate.begin(), gain.begin(), std::minus<>());

  const auto metric = [&](const char* name, const char* unit, const Estimate& estimate) {
    return metric_of(name, unit, estimate, count, samples_path);
  };
  std::vector<Metric> out{
      metric("kl_mean", "nats", cluster_mean(samples.kl, clusters, resampling)),
      metric("kl_median", "nats", cluster_quantile(samples.kl, 0.5, clusters, resampling)),
      metric("kl_p99", "nats", cluster_quantile(samples.kl, 0.99, clusters, resampling)),
      metric("top1_agreement", "ratio", cluster_mean(top1, clusters, resampling)),
      metric("perplexity", "ratio", cluster_exp_mean(samples.nll_candidate, clusters, resampling)),
      metric("perplexity_reference", "ratio",
             cluster_exp_mean(samples.nll_reference, clusters, resampling)),
      metric("accuracy", "ratio", cluster_exp_mean(gain, clusters, resampling))};
  if (clusters.count < 2) {  // how far another text would be from this one is unknown
    for (Metric& each : out) {
      each.interval.reset();
      each.noisy = true;
    }
  }
  for (Metric& each : worst_sequences(samples, options, samples_path))
    out.push_back(std::move(each));
  for (Metric& each : domain_metrics(samples, options, samples_path))
    out.push_back(std::move(each));
  if (!samples.kl_error.empty())
    out.push_back(
        plain_metric("kl_store_error", "nats", store_error(samples), count, samples_path));

  const std::uint32_t last = *std::max_element(samples.position.begin(), samples.position.end());
  const std::uint32_t first = *std::min_element(samples.position.begin(), samples.position.end());
  for (std::uint32_t begin = first / options.bucket * options.bucket; begin <= last;
       begin += options.bucket)
    out.push_back(bucket_metric(samples, begin, options, samples_path));
  return out;
}

Result<void> write_samples(const QualitySamples& samples, const std::filesystem::path& path) {
  std::string out = "{";
  write_array(out, "sequence", samples.sequence);
  write_array(out, "position", samples.position);
  write_array(out, "kl", samples.kl);
  write_array(out, "kl_error", samples.kl_error);
  write_array(out, "nll_reference", samples.nll_reference);
  write_array(out, "nll_candidate", samples.nll_candidate);
  write_array(out, "top1", samples.top1);
  return write_whole(path, out + "\n}\n");
}

}  // namespace strop::measure
