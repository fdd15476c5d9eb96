#include "backend.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <openvino/openvino.hpp>

#include "convert.h"
#include "core/os.h"
#include "engine.h"
#include "options.h"
#include "recipes.h"
#include "rewrite.h"
#include "session.h"
#include "tensors.h"

namespace strop::openvino {
namespace {

constexpr std::uint32_t kMaxContext = 1u << 20;

// Architectures that become a llama-type GGUF file, the kind that was tried with the GGUF frontend.
constexpr std::array<std::string_view, 2> kArchitectures{"llama", "mistral"};

// Those that the toolchain optimum exports, tried with backends/openvino/toolchain_optimum.
constexpr std::array<std::string_view, 2> kExported{"qwen2", "gpt2"};

bool contains(const auto& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// A graph that is a function of its inputs, or becomes one.
bool is_graph(const Model& model) {
  if (model.format == "huggingface") return model.kind == ModelKind::embedding;
  return model.format == "onnx" || model.format == "openvino_ir";
}

// Decoders that only the export of the toolchain `optimum` knows.
bool needs_export(const Model& model) {
  return model.kind == ModelKind::llm && model.format == "huggingface" &&
         contains(kExported, model.architecture);
}

std::string why_no_decoder(const Model& model) {
  if (model.kind != ModelKind::llm)
    return "only text decoders, text encoders and ONNX files can be turned into OpenVINO IR here, "
           "and this model is of another kind";
  if (model.format != "gguf" && model.format != "huggingface")
    return "there is no conversion from " + model.format + " to OpenVINO IR";
  if (model.experts.value_or(0) > 0)
    return "mixtures of experts were not tried with OpenVINO's GGUF frontend";
  if (needs_export(model) || contains(kArchitectures, model.architecture)) return {};
  return "OpenVINO's GGUF frontend was tried with llama-type decoders only, not with " +
         model.architecture;
}

// Empty when the model can be turned into an IR that runs on the target.
std::string why_not(const Model& model, const Target& target) {
  if (target.arch != "x86_64" && target.arch != "aarch64")
    return "OpenVINO's CPU plug-in needs x86_64 or aarch64, not " + target.arch;
  return is_graph(model) ? std::string() : why_no_decoder(model);
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

Result<GraphOptions> graph_options(const Step& step) {
  GraphOptions options;
  for (const auto& [name, value] : step.params) {
    if (name == "shape") {
      options.shape = value;
    } else if (name == "type" && (value == "f16" || value == "original")) {
      options.in_16_bits = value == "f16";
    } else {
      return Error{ErrorCode::invalid_input,
                   str("[openvino] a graph is converted with type (original or f16) and shape, but "
                       "got ",
                       name, " ", value, "."),
                   {},
                   name,
                   value};
    }
  }
  return options;
}

}  // namespace

BackendInfo OpenVinoBackend::info() const {
  BackendInfo info{.name = "openvino", .version = ov::get_openvino_version().buildNumber};
  try {
    const ov::Core core;
    info.devices = {{.kind = DeviceKind::cpu,
                     .name = core.get_property("CPU", ov::device::full_name),
                     .features = cpu_precisions(core),
                     .cores = os::usable_cores()}};
    const auto found = find_devices(core);
    for (const auto& name : found.here) {
      if (name != "CPU")
        info.devices.push_back({.kind = name.starts_with("GPU") ? DeviceKind::gpu : DeviceKind::npu,
                                .name = core.get_property(name, ov::device::full_name)});
    }
    for (const auto& device : found.missing)
      info.notes.push_back(str("no ", device.name, ": ", device.reason));
  } catch (const std::exception& error) {
    info.unavailable_reason = "the CPU plug-in does not load: " + first_sentence(error.what());
  }
  return info;
}

Fit OpenVinoBackend::assess(const Model& model, const Target& target) const {
  if (const auto reason = why_not(model, target); !reason.empty())
    return {false, 0, {reason + "."}};
  Fit fit{true, 0.7, {}};
  fit.reasons.emplace_back(
      is_graph(model) ? "OpenVINO computes in bf16 or int8 where the CPU has AVX-512 or AMX."
                      : "OpenVINO reads prompts fast on CPUs with AVX-512 or AMX.");
  if (target.platform == "intel") {
    fit.score = 0.9;
    fit.reasons.push_back("Its kernels are made by the CPU's vendor.");
  }
  return fit;
}

RecipeSpace OpenVinoBackend::space(const Model& model, const Target& target) const {
  RecipeSpace space;
  if (!why_not(model, target).empty()) return space;
  const bool graph = is_graph(model);
  if (graph) {
    space.build_knobs = {{"shape", {}, "", "makes inputs static: name[1,3,224,224]"}};
    space.recipes = tensor_recipes(model);
  } else if (needs_export(model)) {
    space.recipes = exported_recipes();
  } else {
    space.build_knobs = {
        {"context", {}, "", "positions the artifact is right for; a whole number"}};
    space.recipes = recipes_for(model);
  }
  if (!target.local) {
    space.run_presets = {{"default", {}, "the plug-in's own defaults"}};
    return space;
  }
  const ov::Core core;
  const auto precisions = cpu_precisions(core);
  const auto devices = find_devices(core);
  const auto kind = graph ? SessionKind::tensors : SessionKind::decoder;
  space.run_knobs = run_knobs(kind, devices, precisions);
  space.run_presets = presets_for(kind, precisions);
  return space;
}

Result<Artifact> OpenVinoBackend::build(const Model& input, const Recipe& recipe, std::size_t step,
                                        const Workspace& workspace) const {
  STROP_ASSERT(step < recipe.steps.size(), "step ", step, " of recipe ", recipe.name);
  const Step& asked = recipe.steps[step];
  if (asked.op != Operation::convert)
    return Error{ErrorCode::unsupported, "[openvino] this worker only converts."};
  const auto made = [&]() -> Result<Artifact> {
    if (input.format == "gguf") {
      STROP_TRY(const auto context, context_of(asked));
      return convert_gguf(input.path, context, workspace);
    }
    if (input.format == "onnx" || input.format == "openvino_ir") {
      STROP_TRY(const auto options, graph_options(asked));
      return convert_graph(input.path, input.format, options, workspace);
    }
    return Error{ErrorCode::unsupported,
                 str("[openvino] the input must be a GGUF or ONNX file or OpenVINO IR, but is ",
                     input.format, "."),
                 "Name a step of the worker convert before.", "format", input.format};
  };
  return made();
}

Result<std::unique_ptr<Session>> OpenVinoBackend::open(const Artifact& artifact,
                                                       const RunOptions& run_options,
                                                       const Workspace& workspace) const {
  const auto file = std::filesystem::path(artifact.folder) / artifact.entry;
  STROP_CHECK(validate_graph(file, artifact.format));  // the engine trusts what it reads
  return guard(str("opening ", artifact.entry), [&]() -> Result<std::unique_ptr<Session>> {
    auto loaded = read_graph(file);
    if (is_text_decoder(*loaded.model))
      return OpenVinoSession::open(std::move(loaded), run_options, workspace);
    return open_tensors(std::move(loaded), run_options, workspace);
  });
}

}  // namespace strop::openvino
