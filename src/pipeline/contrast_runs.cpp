// Two runs side by side, from what they left: reports and raw samples. They were not interleaved,
// so times are compared through each run's own baseline, which was.
#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "core/files.h"
#include "measure/contrast.h"
#include "measure/statistics.h"
#include "pipeline/contrast.h"
#include "strop/json.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

using measure::Better;
using measure::RatioEvidence;

constexpr std::uint64_t kMaxSamplesBytes = 512ull << 20;
constexpr std::uint32_t kRun = 256;        // positions drawn together
constexpr double kAccuracyMargin = 0.005;  // of the likelihood per token
constexpr std::size_t kLargestReport = 64u << 20;

struct Run {
  Report report;
  fs::path folder;
};

Result<Run> read_run(const std::string& name) {
  std::error_code error;
  const fs::path file =
      fs::is_directory(name, error) ? fs::path(name) / "report.json" : fs::path(name);
  STROP_TRY(const std::string text, read_text(file, kLargestReport));
  STROP_TRY(Report report, report_from_json(text));
  return Run{std::move(report), fs::absolute(file, error).parent_path()};
}

std::string key_of(const Trial& trial) {
  return str(
      name_of(trial.role), " ", trial.recipe.backend, " ", trial.recipe.name,
      trial.run_preset.empty() || trial.run_preset == "default" ? "" : " " + trial.run_preset);
}

std::string subject_of(const Trial& trial) {
  return str(
      trial.recipe.backend, " ", trial.recipe.name,
      trial.run_preset.empty() || trial.run_preset == "default" ? "" : " " + trial.run_preset);
}

const Trial* counterpart(const Trial& trial, const Report& report) {
  const auto found =
      std::find_if(report.trials.begin(), report.trials.end(), [&](const Trial& other) {
        return other.measurement && other.status == TrialStatus::ok &&
               key_of(other) == key_of(trial);
      });
  return found == report.trials.end() ? nullptr : &*found;
}

const Metric* same_metric(const Metric& metric, const Measurement& other) {
  const auto found = std::find_if(other.metrics.begin(), other.metrics.end(), [&](const Metric& m) {
    return m.metric == metric.metric && m.unit == metric.unit && m.context == metric.context;
  });
  return found == other.metrics.end() ? nullptr : &*found;
}

struct Compared {
  const char* metric;
  const char* what;
  Better better;
};
// What is compared where both runs have it, in this order.
constexpr Compared kCompared[] = {{"speedup", "speed over the run's own baseline", Better::higher},
                                  {"peak_memory", "peak memory", Better::lower},
                                  {"kl_mean", "divergence from the original", Better::lower},
                                  {"accuracy", "accuracy", Better::higher},
                                  {"throughput", "throughput", Better::higher},
                                  {"energy_per_token", "energy per token", Better::lower},
                                  {"energy_per_inference", "energy per inference", Better::lower}};

// Figures of one day: they are shown, decide nothing, and must not make the whole undecided.
constexpr std::array<std::string_view, 4> kOnlyShown{"request_time", "throughput",
                                                     "energy_per_token", "energy_per_inference"};
constexpr const char* kOtherDay =
    "the runs were not interleaved, so a difference may be the machine's";
constexpr const char* kSpeedupTells = ": speedup, against each run's own baseline, tells";

bool is_only_shown(std::string_view metric) {
  return std::find(kOnlyShown.begin(), kOnlyShown.end(), metric) != kOnlyShown.end();
}

// Independent intervals: their logarithmic half-widths add in squares.
std::optional<Interval> ratio_interval(const Metric& first, const Metric& second) {
  const auto half = [](const Metric& metric) {
    if (!metric.interval || !(metric.interval->low > 0)) return 0.0;
    return std::max(std::log(metric.interval->high / metric.value),
                    std::log(metric.value / metric.interval->low));
  };
  if (!first.interval && !second.interval) return {};
  const double width = std::hypot(half(first), half(second));
  const double ratio = second.value / first.value;
  return Interval{ratio * std::exp(-width), ratio * std::exp(width)};
}

// Of the controls of both timings the one that leaves more doubt; none where either has none.
std::optional<Interval> control_of(const Measurement& first, const Measurement& second) {
  const auto &one = first.control, &other = second.control;
  if (!one || !other) return {};
  if (one->contains_one != other->contains_one)
    return one->contains_one ? other->interval : one->interval;
  const bool wider =
      measure::log_half_width(one->interval) > measure::log_half_width(other->interval);
  return wider ? one->interval : other->interval;
}

// Both so near to the original that how much nearer one of them is says nothing.
bool are_both_near(const Metric& first, const Metric& second) {
  const auto is_near = [](const Metric& metric) {
    const double farthest = metric.interval ? metric.interval->high : metric.value;
    return metric.metric == "kl_mean" && !metric.noisy && farthest <= measure::kSameKl;
  };
  return is_near(first) && is_near(second);
}

Difference of_metrics(const Compared& compared, const Metric& first, const Metric& second,
                      const std::optional<Interval>& control, double margin) {
  Difference difference{.metric = first.metric,
                        .unit = first.unit,
                        .first = first.value,
                        .second = second.value,
                        .pairs = std::min(first.samples, second.samples),
                        .margin = margin};
  const auto found = [&](Finding finding, const std::string& reason) {
    difference.finding = finding;
    difference.reason = reason;
    return difference;
  };
  if (are_both_near(first, second)) {
    difference.interval = second.interval;
    difference.margin = measure::kSameKl;
    return found(Finding::no_difference, str(compared.what, " is at most ", measure::kSameKl,
                                             " nats in both, which counts as the same"));
  }
  if (!(first.value > 0 && second.value > 0))
    return found(first.value == second.value ? Finding::no_difference : Finding::undecided,
                 str(compared.what, ": a ratio needs two positive values"));
  RatioEvidence evidence{.ratio = second.value / first.value,
                         .interval = ratio_interval(first, second),
                         .timed = first.metric == "speedup",
                         .pairs = difference.pairs};
  if (evidence.timed) evidence.control = control;
  difference.ratio = evidence.ratio;
  difference.interval = evidence.interval;
  difference.control = evidence.control;
  if (is_only_shown(first.metric))
    return found(Finding::undecided,
                 str(kOtherDay, first.metric == "throughput" ? kSpeedupTells : ""));
  const Finding finding = measure::judge(evidence, compared.better, margin);
  if ((first.noisy || second.noisy) && finding != Finding::undecided)
    return found(Finding::undecided, str(compared.what, " was noisy in one of the runs"));
  return found(finding,
               measure::reason_for(finding, evidence, compared.better, margin, compared.what));
}

// A path that a report names, inside the run's folder.
Result<Json> read_samples(const Run& run, const std::string& path) {
  if (!stays_inside(path))
    return Error{.code = ErrorCode::corrupt,
                 .message = "[measure] samples_path must lie in the run's folder",
                 .field = "samples_path",
                 .value = path};
  STROP_TRY(const std::string text, read_text(run.folder / path, kMaxSamplesBytes));
  STROP_TRY(Json json, parse_json(text, path));
  if (json.is_object()) return json;
  return Error{.code = ErrorCode::corrupt,
               .message = str("[measure] ", path, " must hold an object"),
               .field = "samples_path",
               .value = path};
}

Result<std::vector<double>> numbers(const Json& samples, const char* name) {
  return decode<std::vector<double>>(samples.value(name, Json()), name);
}

// Both scored the same tokens when the original's likelihoods are the same, token by token.
Result<std::optional<Difference>> paired_likelihoods(const Run& first, const Run& second,
                                                     const Metric& one, const Metric& other) {
  STROP_TRY(const Json a, read_samples(first, one.samples_path));
  STROP_TRY(const Json b, read_samples(second, other.samples_path));
  STROP_TRY(const auto reference, numbers(a, "nll_reference"));
  STROP_TRY(const auto other_reference, numbers(b, "nll_reference"));
  STROP_TRY(const auto nll, numbers(a, "nll_candidate"));
  STROP_TRY(const auto other_nll, numbers(b, "nll_candidate"));
  STROP_TRY(const auto sequence, numbers(a, "sequence"));
  STROP_TRY(const auto position, numbers(a, "position"));
  const std::size_t n = reference.size();
  if (n == 0 || other_reference.size() != n || nll.size() != n || other_nll.size() != n ||
      sequence.size() != n || position.size() != n)
    return std::optional<Difference>();
  for (std::size_t i = 0; i < n; ++i)
    if (std::abs(reference[i] - other_reference[i]) > 1e-4) return std::optional<Difference>();
  measure::Clusters clusters;
  std::vector<double> gains(n);
  for (std::size_t i = 0; i < n; ++i) {
    const bool starts = i == 0 || sequence[i] != sequence[i - 1] ||
                        std::floor(position[i] / kRun) != std::floor(position[i - 1] / kRun);
    if (starts) ++clusters.count;
    clusters.cluster_of.push_back(clusters.count - 1);
    gains[i] = other_nll[i] - nll[i];
  }
  const measure::Estimate ratio = measure::cluster_exp_mean(gains, clusters);
  RatioEvidence evidence{.ratio = ratio.value};
  if (clusters.count > 1) evidence.interval = ratio.interval;
  const Finding finding = measure::judge(evidence, Better::lower, kAccuracyMargin);
  return std::optional(
      Difference{.metric = "perplexity",
                 .unit = "ratio",
                 .first = std::exp(measure::mean(nll)),
                 .second = std::exp(measure::mean(other_nll)),
                 .ratio = ratio.value,
                 .interval = evidence.interval,
                 .pairs = static_cast<std::uint32_t>(n),
                 .margin = kAccuracyMargin,
                 .finding = finding,
                 .reason = measure::reason_for(finding, evidence, Better::lower, kAccuracyMargin,
                                               "perplexity on the same tokens")});
}

// The requests of one series, in seconds per token.
Result<std::vector<std::vector<double>>> requests_of(const Json& samples, const std::string& name) {
  const Json all = samples.value("series", Json::array());
  std::vector<std::vector<double>> requests;
  if (!all.is_array()) return requests;
  for (const Json& series : all) {
    if (!series.is_object() || series.value("name", Json()) != Json(name)) continue;
    const Json rows = series.value("seconds", Json::array());
    if (!rows.is_array()) return requests;
    for (const Json& row : rows) {
      STROP_TRY(auto seconds, decode<std::vector<double>>(row, "seconds"));
      if (!seconds.empty() && seconds.front() > 0) requests.push_back(std::move(seconds));
    }
  }
  return requests;
}

// What each run's clock said, not interleaved: only as good as the machine was steady.
Result<std::optional<Difference>> stored_times(const Run& first, const Run& second,
                                               const Trial& trial, const Metric& one,
                                               const Metric& other, double margin) {
  STROP_TRY(const Json a, read_samples(first, one.samples_path));
  STROP_TRY(const Json b, read_samples(second, other.samples_path));
  const std::string name = trial.role == Role::baseline ? "baseline" : subject_of(trial);
  STROP_TRY(const auto mine, requests_of(a, name));
  STROP_TRY(const auto theirs, requests_of(b, name));
  if (mine.empty() || theirs.empty()) return std::optional<Difference>();
  const auto whole = [](const auto& requests) {
    std::vector<double> out;
    for (const auto& seconds : requests) out.push_back(seconds.back());
    return out;
  };
  const std::vector<double> before = whole(mine), now = whole(theirs);
  const measure::Estimate ratio = measure::unpaired_ratio(now, before);
  return std::optional(
      Difference{.metric = "request_time",
                 .unit = "s",
                 .first = measure::median(before),
                 .second = measure::median(now),
                 .ratio = ratio.value,
                 .interval = ratio.interval,
                 .pairs = static_cast<std::uint32_t>(std::min(before.size(), now.size())),
                 .margin = margin,
                 .finding = Finding::undecided,
                 .reason = str(kOtherDay, kSpeedupTells)});
}

std::string machine_of(const Report& report) {
  if (!report.target) return "unknown";
  for (const Device& device : report.target->devices) {
    if (device.kind == DeviceKind::cpu)
      return str(device.name, ", ", device.cores.value_or(0), " cores");
  }
  return report.target->name;
}

Side side_of(const std::string& name, const Run& run) {
  Side side{.name = name, .run_id = run.report.run_id, .machine = machine_of(run.report)};
  for (const Trial& trial : run.report.trials) {
    if (trial.role == Role::baseline && trial.measurement)
      side.conditions = trial.measurement->conditions;
  }
  return side;
}

void warn_if(std::vector<std::string>& warnings, bool different, const std::string& text) {
  if (different) warnings.push_back(text);
}

void add_warnings(Contrast& contrast, const Run& first, const Run& second) {
  const Report &a = first.report, &b = second.report;
  const Conditions &one = contrast.first.conditions, &other = contrast.second.conditions;
  auto& out = contrast.warnings;
  warn_if(out, contrast.first.machine != contrast.second.machine,
          str("different machines: ", contrast.first.machine, "; ", contrast.second.machine,
              ". Times say nothing of the artifacts, only ratios to each run's baseline do"));
  warn_if(out, a.model && b.model && a.model->id != b.model->id, "different models");
  warn_if(out, a.tool_version != b.tool_version,
          str("different versions of strop: ", a.tool_version, ", ", b.tool_version));
  warn_if(out, one.engine_version != other.engine_version,
          str("the baseline's engine differs: ", one.engine_version, ", ", other.engine_version));
  warn_if(out, one.cpu_variant != other.cpu_variant,
          str("different CPU kernels: ", one.cpu_variant, ", ", other.cpu_variant));
  warn_if(out, one.threads != other.threads,
          str("different threads: ", one.threads, ", ", other.threads));
  warn_if(out, a.goal.workload != b.goal.workload,
          "different requests: prompt, new tokens or threads");
  warn_if(out, a.goal.evaluation_data != b.goal.evaluation_data, "different evaluation text");
  warn_if(out, one.confinement != other.confinement, "different confinement of the workers");
  if (one.foreign_load && other.foreign_load)
    warn_if(out, std::abs(*one.foreign_load - *other.foreign_load) > 0.25,
            str("others used ", *one.foreign_load, " cores meanwhile, and ", *other.foreign_load));
}

// Samples that are gone or broken take their comparison with them, not the others.
void take(Result<std::optional<Difference>> made, Contrast& contrast,
          std::vector<Difference>& found) {
  if (!made)
    contrast.warnings.push_back(made.error().message);
  else if (*made)
    found.push_back(std::move(**made));
}

void add_trial(Contrast& contrast, const Run& first, const Run& second, const Trial& one,
               const Trial& other, double margin) {
  const auto control = control_of(*one.measurement, *other.measurement);
  std::vector<Difference> found;
  for (const Compared& compared : kCompared) {
    const auto own =
        std::find_if(one.measurement->metrics.begin(), one.measurement->metrics.end(),
                     [&](const Metric& metric) {
                       return metric.metric == compared.metric && !metric.context.position_begin;
                     });
    if (own == one.measurement->metrics.end()) continue;
    const Metric* twin = same_metric(*own, *other.measurement);
    if (!twin) continue;
    found.push_back(of_metrics(compared, *own, *twin, control, margin));
    if (std::string_view(compared.metric) == "accuracy") {
      take(paired_likelihoods(first, second, *own, *twin), contrast, found);
    }
  }
  if (const Metric* time = find(*one.measurement, "request_time")) {
    if (const Metric* twin = same_metric(*time, *other.measurement)) {
      take(stored_times(first, second, one, *time, *twin, margin), contrast, found);
    }
  }
  for (Difference& difference : found) {
    difference.subject = subject_of(one);
    contrast.differences.push_back(std::move(difference));
  }
}

Finding overall_of(const std::vector<Difference>& all) {
  std::vector<Difference> deciding;
  std::copy_if(all.begin(), all.end(), std::back_inserter(deciding),
               [](const Difference& difference) { return !is_only_shown(difference.metric); });
  return measure::overall(deciding);
}

}  // namespace

bool is_run(const std::string& name) {
  std::error_code error;
  const fs::path path(name);
  if (fs::is_directory(path, error)) return fs::exists(path / "report.json", error);
  return path.extension() == ".json" && fs::exists(path, error);
}

Result<Contrast> contrast_runs(const std::string& first, const std::string& second, double margin) {
  STROP_TRY(const Run one, read_run(first));
  STROP_TRY(const Run other, read_run(second));
  Contrast contrast{.tool_version = std::string(version()), .date = now_utc()};
  contrast.first = side_of(first, one);
  contrast.second = side_of(second, other);
  add_warnings(contrast, one, other);
  std::size_t matched = 0;
  for (const Trial& trial : one.report.trials) {
    if (!trial.measurement || trial.status != TrialStatus::ok) continue;
    const Trial* twin = counterpart(trial, other.report);
    if (!twin) {
      contrast.warnings.push_back(str(subject_of(trial), " was measured in the first run only"));
      continue;
    }
    ++matched;
    add_trial(contrast, one, other, trial, *twin, margin);
  }
  if (matched == 0)
    return Error{.code = ErrorCode::invalid_input,
                 .message =
                     "[measure] the two runs have no measured trial in common: the same "
                     "framework, recipe and run options",
                 .field = "B",
                 .value = second};
  contrast.overall = overall_of(contrast.differences);
  return contrast;
}

}  // namespace strop::pipeline
