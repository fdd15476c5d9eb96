#include "report/raw_samples.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/files.h"
#include "core/json.h"
#include "report/summary.h"

namespace fs = std::filesystem;

namespace strop {
namespace {

constexpr std::uint64_t kMaxBytes = 64ull << 20;
constexpr double kMilliseconds = 1000;

std::string series_name(const Trial& trial) {
  return trial.role == Role::baseline ? "baseline" : trial_text(trial);
}

std::optional<Json> series_of(const Trial& trial, const fs::path& file) {
  const auto text = read_text(file, kMaxBytes);
  if (!text) return std::nullopt;
  auto json = parse_json(*text, "samples");
  if (!json || !json->is_object() || !json->contains("series") || !(*json)["series"].is_array())
    return std::nullopt;
  for (const Json& series : (*json)["series"])
    if (series.is_object() && series.value("name", Json()) == Json(series_name(trial)) &&
        series.contains("seconds") && series["seconds"].is_array())
      return series["seconds"];
  return std::nullopt;
}

// Each request is the times of its tokens since it began; the first is the prompt's.
std::vector<double> gaps(const Json& requests) {
  std::vector<double> out;
  for (const Json& request : requests) {
    if (!request.is_array()) return {};
    for (std::size_t i = 1; i < request.size(); ++i) {
      if (!request[i].is_number() || !request[i - 1].is_number()) return {};
      const double gap = (request[i].get<double>() - request[i - 1].get<double>()) * kMilliseconds;
      if (!std::isfinite(gap) || gap < 0) return {};
      out.push_back(gap);
    }
  }
  return out;
}

}  // namespace

RawSamples read_raw_samples(const Report& report, const fs::path& folder) {
  RawSamples samples;
  for (const Trial& trial : report.trials) {
    if (trial.status != TrialStatus::ok) continue;
    const Metric* metric = overall(trial, "inter_token_latency_p50");
    if (!metric || !stays_inside(metric->samples_path)) continue;
    if (const auto series = series_of(trial, folder / metric->samples_path))
      samples.inter_token_ms[trial.id] = gaps(*series);
  }
  return samples;
}

}  // namespace strop
