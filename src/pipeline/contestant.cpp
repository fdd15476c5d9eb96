#include "pipeline/contestant.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "core/clock.h"
#include "pipeline/golden.h"

namespace strop::pipeline {
namespace {

const BackendFit* fit_of(const std::string& backend, const Report& report) {
  for (const BackendFit& fit : report.assessment->fits) {
    if (fit.backend == backend) return &fit;
  }
  return nullptr;
}

const Knob* knob_of(const BackendFit& fit, const std::string& name) {
  const auto& knobs = fit.space.run_knobs;
  const auto found =
      std::find_if(knobs.begin(), knobs.end(), [&](const Knob& knob) { return knob.name == name; });
  return found == knobs.end() ? nullptr : &*found;
}

// What the request needs and the engine's own default is too short for; empty: nothing.
std::string longer_context(const BackendFit& fit, const Workload& workload) {
  const Knob* const knob = knob_of(fit, "context");
  const std::uint64_t wanted = std::uint64_t{workload.prompt_tokens} + workload.new_tokens;
  const std::uint64_t given =
      knob ? std::strtoull(knob->default_value.c_str(), nullptr, 10) : 0;  // 0: the model's
  return given > 0 && wanted > given ? std::to_string(wanted) : "";
}

std::uint32_t threads_of(const Report& report) {
  if (report.goal.workload.threads > 0) return report.goal.workload.threads;
  for (const Device& device : report.target->devices) {
    if (device.kind == DeviceKind::cpu && device.cores) return *device.cores;
  }
  return 1;
}

}  // namespace

bool runs_on_tensors(const Model& model) { return !model.inputs.empty(); }

RunOptions options_for(const Trial& trial, const Report& report) {
  RunOptions options = trial.run_options;
  const BackendFit* fit = fit_of(trial.recipe.backend, report);
  if (!fit) return options;
  if (knob_of(*fit, "threads") && !options.contains("threads"))
    options["threads"] = str(threads_of(report));
  if (const std::string context = longer_context(*fit, report.goal.workload);
      !context.empty() && !options.contains("context"))
    options["context"] = context;
  return options;
}

Result<std::unique_ptr<WorkerSession>> open(const Trial& trial, const Report& report,
                                            Context& context) {
  const RunOptions options = options_for(trial, report);
  STROP_TRY(auto worker, context.open(trial.recipe.backend, *trial.artifact, options));
  const bool tensors = runs_on_tensors(*report.model);
  if (tensors ? !worker->session().tensors() : !worker->session().decoder()) {
    return Error{.code = ErrorCode::unsupported,
                 .message = str("[measure] ", trial.recipe.backend, " opened the artifact as no ",
                                tensors ? "function of tensors" : "decoder"),
                 .field = "kind"};
  }
  STROP_CHECK(check_opened(trial, options, worker->session(), conditions_of(trial, *worker, report),
                           report, context));
  return worker;
}

Conditions conditions_of(WorkerSession& worker, const std::string& engine_version,
                         std::uint64_t seed) {
  const SessionInfo& info = worker.session().info();
  Conditions conditions{.engine_version = engine_version,
                        .cpu_variant = info.cpu_variant,
                        .confinement = worker.process().enforced(),
                        .seed = seed,
                        .date = now_utc()};
  if (const auto threads = info.run_options.find("threads"); threads != info.run_options.end())
    std::from_chars(threads->second.data(), threads->second.data() + threads->second.size(),
                    conditions.threads);
  return conditions;
}

Conditions conditions_of(const Trial& trial, WorkerSession& worker, const Report& report) {
  const BackendFit* fit = fit_of(trial.recipe.backend, report);
  Conditions conditions = conditions_of(worker, fit ? fit->version : "", report.goal.seed);
  conditions.placement = worker.session().info().placement;
  conditions.notes = worker.session().info().notes;
  return conditions;
}

}  // namespace strop::pipeline
