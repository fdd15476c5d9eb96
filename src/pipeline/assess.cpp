// file + machine -> Model, Target -> Assessment.
#include "assess/assess.h"

#include "assess/machine.h"
#include "formats/model_file.h"
#include "pipeline/artifact_source.h"
#include "pipeline/stages.h"

namespace strop::pipeline {
namespace {

Result<Model> read_whole_model(Context& context) {
  STROP_TRY(Model model, read_model(context.request().model));
  STROP_TRY(model.id, digest_of_model(context.request().model, model, context));
  model.path = context.request().model;
  return model;
}

Result<Target> find_target(Context& context) {
  const std::string& name = context.request().target;
  if (name.empty()) return probe_machine(context.store().root());
  return load_target(name, context.where().share / "targets");
}

// Numbers of one machine must not stand beside those of another.
Result<void> check_same_machine(const Target& first, const Target& now, const Context& context) {
  if (!context.request().target.empty() || now.id == first.id) return {};
  return Error{.code = ErrorCode::invalid_input,
               .message = str("[assess] ", context.request().out,
                              " holds a run begun on another machine: its processor, memory or "
                              "system differ from this one's"),
               .hint = "Take another folder with -o.",
               .field = "-o",
               .value = context.request().out};
}

// Every installed worker's opinion; one that cannot be asked is a reason, not an end.
std::vector<BackendFit> ask_workers(const Model& model, const Target& target, Context& context) {
  std::vector<BackendFit> fits;
  for (const auto& program : installed_workers()) {
    const WorkerBackend worker(program, context.policy());
    auto fit = worker.fit(model, target);
    if (!fit)
      fit = BackendFit{.backend = worker.name(),
                       .version = "",
                       .fit = {.supported = false, .score = 0, .reasons = {fit.error().message}},
                       .space = {}};
    fits.push_back(*std::move(fit));
  }
  return fits;
}

}  // namespace

Result<void> assess_stage(Report& report, Context& context) {
  constexpr Stage kStage = Stage::assess;
  // Not journaled: it is quick, and a changed model or machine must be seen.
  STROP_TRY(report.model, read_whole_model(context));
  // The first look at the target stays that of the run: free memory and storage change while it
  // goes on.
  STROP_TRY(const Target now, find_target(context));
  STROP_TRY(report.target,
            context.step<Target>(kStage, "target", {{"target", context.request().target}},
                                 [&]() -> Result<Target> { return now; }));
  STROP_CHECK(check_same_machine(*report.target, now, context));
  const Json inputs{
      {"model", report.model->id}, {"target", report.target->id}, {"goal", encode(report.goal)}};
  STROP_TRY(const auto fits,
            context.step<std::vector<BackendFit>>(
                kStage, "backends", inputs, [&]() -> Result<std::vector<BackendFit>> {
                  return ask_workers(*report.model, *report.target, context);
                }));
  report.assessment = assess(*report.model, *report.target, report.goal, fits);
  return {};
}

}  // namespace strop::pipeline
