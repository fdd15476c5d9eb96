#include "backend.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <openvino/openvino.hpp>

#include "convert.h"
#include "engine.h"
#include "formats/openvino_ir.h"
#include "options.h"
#include "recipes.h"
#include "session.h"

namespace strop::openvino {
namespace {

constexpr std::uint32_t kMaxContext = 1u << 20;

// Architectures that become a llama-type GGUF file, the kind that was tried with the GGUF frontend.
constexpr std::array<std::string_view, 2> kArchitectures{"llama", "mistral"};

bool contains(const auto& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Empty when the model can be turned into an IR that runs on the target.
std::string why_not(const Model& model, const Target& target) {
  if (model.kind != ModelKind::llm)
    return "only text decoders can be turned into OpenVINO IR here, and this model is of another "
           "kind";
  if (model.format != "gguf" && model.format != "huggingface")
    return "there is no conversion from " + model.format + " to OpenVINO IR";
  if (!contains(kArchitectures, model.architecture))
    return "OpenVINO's GGUF frontend was tried with llama-type decoders only, not with " +
           model.architecture;
  if (model.experts.value_or(0) > 0)
    return "mixtures of experts were not tried with OpenVINO's GGUF frontend";
  if (target.arch != "x86_64" && target.arch != "aarch64")
    return "OpenVINO's CPU plug-in needs x86_64 or aarch64, not " + target.arch;
  return {};
}

Result<std::uint32_t> context_of(const Step& step) {
  for (const auto& [name, value] : step.params) {
    if (name != "context")
      return Error{ErrorCode::invalid_input,
                   str("[openvino] a conversion has no parameter ", name, ": known is context."),
                   {},
                   name,
                   value};
  }
  const auto found = step.params.find("context");
  if (found == step.params.end())
    return Error{ErrorCode::invalid_input,
                 "[openvino] a conversion needs the parameter context.",
                 {},
                 "context"};
  std::uint32_t context = 0;
  const char* end = found->second.data() + found->second.size();
  const auto [stop, error] = std::from_chars(found->second.data(), end, context);
  if (error == std::errc() && stop == end && context >= 1 && context <= kMaxContext) return context;
  return Error{ErrorCode::invalid_input,
               str("[openvino] context must be a whole number from 1 to ", kMaxContext,
                   ", but got ", found->second, "."),
               {},
               "context",
               found->second};
}

}  // namespace

BackendInfo OpenVinoBackend::info() const {
  BackendInfo info{.name = "openvino", .version = ov::get_openvino_version().buildNumber};
  try {
    const ov::Core core;
    info.devices = {{.kind = DeviceKind::cpu,
                     .name = core.get_property("CPU", ov::device::full_name),
                     .features = cpu_precisions(core),
                     .cores = usable_cores()}};
  } catch (const std::exception& error) {
    info.unavailable_reason = "the CPU plug-in does not load: " + first_sentence(error.what());
  }
  return info;
}

Fit OpenVinoBackend::assess(const Model& model, const Target& target) const {
  if (const auto reason = why_not(model, target); !reason.empty())
    return {false, 0, {reason + "."}};
  Fit fit{true, 0.7, {"OpenVINO reads prompts fast on CPUs with AVX-512 or AMX."}};
  if (target.platform == "intel") {
    fit.score = 0.9;
    fit.reasons.push_back("Its kernels are made by the CPU's vendor.");
  }
  return fit;
}

RecipeSpace OpenVinoBackend::space(const Model& model, const Target& target) const {
  RecipeSpace space;
  if (!why_not(model, target).empty()) return space;
  space.build_knobs = {{"context", {}, "", "positions the artifact is right for; a whole number"}};
  space.recipes = recipes_for(model);
  if (!target.local) {
    space.run_presets = {{"default", {}, "the plug-in's own defaults"}};
    return space;
  }
  const auto precisions = cpu_precisions(ov::Core());
  space.run_knobs = run_knobs(precisions);
  space.run_presets = presets_for(precisions);
  return space;
}

Result<Artifact> OpenVinoBackend::build(const Model& input, const Recipe& recipe, std::size_t step,
                                        const Workspace& workspace) const {
  STROP_ASSERT(step < recipe.steps.size(), "step ", step, " of recipe ", recipe.name);
  if (recipe.steps[step].op != Operation::convert)
    return Error{ErrorCode::unsupported, "[openvino] this worker only converts."};
  if (input.format != "gguf") {
    return Error{ErrorCode::unsupported,
                 str("[openvino] the input must be a GGUF file, but is ", input.format, "."),
                 "Name a step of the worker convert before.", "format", input.format};
  }
  STROP_TRY(const auto context, context_of(recipe.steps[step]));
  STROP_TRY(auto artifact, convert_gguf(input.path, context, workspace));
  artifact.backend_version = ov::get_openvino_version().buildNumber;
  return artifact;
}

Result<std::unique_ptr<Session>> OpenVinoBackend::open(const Artifact& artifact,
                                                       const RunOptions& run_options,
                                                       const Workspace& workspace) const {
  if (artifact.format != "openvino_ir") {
    return Error{ErrorCode::unsupported,
                 str("[openvino] format must be openvino_ir, but got ", artifact.format, "."),
                 {},
                 "format",
                 artifact.format};
  }
  STROP_TRY(const auto options, parse_options(run_options));
  const auto file = std::filesystem::path(artifact.folder) / artifact.entry;
  STROP_CHECK(formats::read_openvino_ir(file));  // the engine trusts what it reads
  return guard(str("opening ", artifact.entry),
               [&] { return OpenVinoSession::open(file, options, workspace.stop); });
}

}  // namespace strop::openvino
