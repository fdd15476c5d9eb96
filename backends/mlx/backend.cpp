#include "backend.h"

#include <algorithm>
#include <array>

#include "engine.h"
#include "options.h"
#include "recipes.h"
#include "session.h"

namespace strop::mlx {
namespace {

constexpr std::array<std::string_view, 2> kArchitectures{"llama", "mistral"};
constexpr const char* kNoApple = "no Apple device";

// Empty when the model can become an MLX folder that this worker runs.
std::string why_not(const Model& model) {
  if (model.kind != ModelKind::llm)
    return "only text decoders can be turned into an MLX folder here, and this model is of another "
           "kind";
  if (model.format != "huggingface")
    return "there is no conversion from " + model.format +
           " to an MLX folder: it starts at the original's Hugging Face folder";
  if (std::find(kArchitectures.begin(), kArchitectures.end(), model.architecture) ==
      kArchitectures.end())
    return "MLX's forward pass is written for llama-type decoders only, not for " +
           model.architecture;
  if (model.experts.value_or(0) > 0) return "mixtures of experts are not supported with MLX here";
  return {};
}

std::string gpu_name() {
  const auto& properties = mx::device_info(mx::Device::gpu);
  const auto found = properties.find("device_name");
  if (found == properties.end()) return "Apple GPU";
  const auto* name = std::get_if<std::string>(&found->second);
  return name ? *name : "Apple GPU";
}

}  // namespace

BackendInfo MlxBackend::info() const {
  BackendInfo info{.name = "mlx", .version = mx::version()};
  if (has_gpu()) {
    info.devices = {{.kind = DeviceKind::gpu, .vendor = "Apple", .name = gpu_name()}};
  } else {
    info.devices = {{.kind = DeviceKind::cpu, .name = "CPU, plain C++ kernels"}};
    info.notes = {str(kNoApple, ": artifacts are checked here, their speed is not measured")};
  }
  return info;
}

Fit MlxBackend::assess(const Model& model, const Target& target) const {
  if (const auto reason = why_not(model); !reason.empty()) return {false, 0, {reason + "."}};
  Fit fit{.supported = true, .score = 0.1};
  if (target.platform == "apple") {
    fit.score = 0.95;
    fit.reasons = {"MLX computes with Metal in the memory that CPU and GPU share."};
  } else {
    fit.reasons = {
        "MLX is made for Apple devices; elsewhere its artifacts can be made and checked, "
        "but are slow."};
  }
  if (!has_gpu()) {
    fit.untimed_reason = str("speed is not measured: ", kNoApple);
    fit.reasons.push_back(str("Speed is not measured: ", kNoApple, "."));
  }
  return fit;
}

RecipeSpace MlxBackend::space(const Model& model, const Target&) const {
  RecipeSpace space;
  if (!why_not(model).empty()) return space;
  space.run_knobs = knobs_of(knob_rules());
  space.recipes = recipes_for(model, !has_gpu());
  space.run_presets = {{"default", {}, "the engine's own defaults"}};
  if (space.recipes.empty())
    space.skipped.push_back(
        str("every type: the width of ", model.width.value_or(0), " is no multiple of 32"));
  else if (model.width && *model.width % 128 != 0)
    space.skipped.push_back(str("groups of 128: the width of ", *model.width,
                                " is no multiple, so most matrices would stay whole"));
  return space;
}

Result<Artifact> MlxBackend::build(const Model&, const Recipe&, std::size_t,
                                   const Workspace&) const {
  return Error{.code = ErrorCode::unsupported,
               .message = "[mlx] this worker only runs: the worker convert makes its folders.",
               .hint = "Name the worker convert in the step.",
               .field = "worker"};
}

Result<std::unique_ptr<Session>> MlxBackend::open(const Artifact& artifact,
                                                  const RunOptions& run_options,
                                                  const Workspace& workspace) const {
  if (artifact.format != "mlx")
    return Error{.code = ErrorCode::unsupported,
                 .message = str("[mlx] format must be mlx, but got ", artifact.format, "."),
                 .field = "format",
                 .value = artifact.format};
  STROP_TRY(auto options, options_in_force("mlx", knob_rules(), run_options));
  const auto entry = std::filesystem::path(artifact.folder) / artifact.entry;
  return guard(str("opening ", artifact.entry), [&] {
    return MlxSession::open(entry.parent_path(), std::move(options), workspace.stop);
  });
}

}  // namespace strop::mlx
