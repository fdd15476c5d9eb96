#include "backend.h"

#include <llama.h>

#include <algorithm>
#include <array>
#include <exception>
#include <set>

#include "core/os.h"
#include "encoder_session.h"
#include "engine_log.h"
#include "options.h"
#include "recipes.h"
#include "self_test_cache.h"
#include "session.h"

namespace strop::llama_cpp {
namespace {

// Hugging Face folders of these the convert worker can turn into GGUF.
constexpr std::array<std::string_view, 3> kDecoders{"llama", "mistral", "qwen2"};
constexpr std::array<std::string_view, 1> kEncoders{"bert"};

bool convertible(const Model& model) {
  const auto is_one_of = [&](const auto& names) {
    return std::find(names.begin(), names.end(), model.architecture) != names.end();
  };
  return model.kind == ModelKind::embedding ? is_one_of(kEncoders) : is_one_of(kDecoders);
}

// Empty when the model can be brought into a GGUF file.
std::string why_not(const Model& model) {
  if (model.kind != ModelKind::llm && model.kind != ModelKind::embedding)
    return "llama.cpp runs decoders and encoders of text here, and this model is of another kind";
  if (model.format == "gguf" && model.kind == ModelKind::llm) return {};
  if (model.format != "huggingface")
    return "there is no conversion from " + model.format + " to GGUF";
  if (!convertible(model))
    return "no native conversion to GGUF is known for the architecture " + model.architecture;
  return {};
}

// What the best working kernels were built for; empty when none works.
std::vector<std::string> working_features(const CpuVariants& variants) {
  std::set<std::string> features;
  for (const auto& variant : variants.best(1)) {
    const auto& test = variants.tested(variant);
    features.insert(test.features.begin(), test.features.end());
  }
  return {features.begin(), features.end()};
}

// An exception of the engine or of the standard library becomes an Error.
template <class Work>
auto guard(const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::out_of_memory, "[llama_cpp] there is not enough memory."};
  } catch (const std::logic_error&) {
    throw;  // our own bug, told by the worker's loop
  } catch (const std::exception& error) {
    return Error{ErrorCode::backend, str("[llama_cpp] the engine failed: ", error.what(), ".")};
  }
}

}  // namespace

LlamaBackend::LlamaBackend(std::filesystem::path worker) : variants_(std::move(worker)) {
  capture_engine_log();
  llama_backend_init();
}

BackendInfo LlamaBackend::info() const {
  BackendInfo info{.name = "llama_cpp", .version = llama_version()};
  const auto best = variants_.best(1);
  info.notes = variants_.failures();
  if (best.empty()) {
    info.unavailable_reason =
        variants_.runnable().empty()
            ? str("no CPU kernels for this machine are installed beside the engine")
            : "every build of the CPU kernels failed its self-test";
    return info;
  }
  info.devices = {{.kind = DeviceKind::cpu,
                   .name = cpu_model(),
                   .features = working_features(variants_),
                   .cores = os::usable_cores()}};
  info.notes.push_back("CPU variant " + best.front().name);
  return info;
}

Fit LlamaBackend::assess(const Model& model, const Target& target) const {
  if (const auto reason = why_not(model); !reason.empty()) return {false, 0, {reason + "."}};
  Fit fit{true, 0.8, {"llama.cpp runs models of text on any CPU, in 2 to 32 bits per weight."}};
  if (model.format == "huggingface")
    fit.reasons.push_back("The folder is converted to GGUF without loss first.");
  const bool has_gpu =
      std::any_of(target.devices.begin(), target.devices.end(),
                  [](const Device& device) { return device.kind == DeviceKind::gpu; });
  if (has_gpu) {
    fit.score = 0.6;
    fit.reasons.push_back("This build uses the CPU only; the GPU stays idle.");
  }
  return fit;
}

RecipeSpace LlamaBackend::space(const Model& model, const Target& target) const {
  RecipeSpace space;
  if (!why_not(model).empty()) return space;
  space.recipes = recipes_for(model);
  if (!target.local) {
    space.run_presets = {{"default", {}, "llama.cpp's own defaults"}};
    return space;
  }
  const auto best = variants_.best(1);
  space.run_knobs = run_knobs(variants_.runnable(), best.empty() ? "" : best.front().name);
  if (model.kind == ModelKind::embedding)
    std::erase_if(space.run_knobs, [](const Knob& knob) { return knob.name == kCacheKnob; });
  space.run_presets = presets_for(variants_, model);
  space.skipped = variants_.failures();
  return space;
}

Result<Artifact> LlamaBackend::build(const Model&, const Recipe& recipe, std::size_t,
                                     const Workspace&) const {
  return Error{ErrorCode::unsupported,
               str("[llama_cpp] recipe ", recipe.name,
                   " has a step for this worker, which only runs artifacts."),
               "Name the worker convert in the step."};
}

Result<std::unique_ptr<Session>> LlamaBackend::open(const Artifact& artifact,
                                                    const RunOptions& run_options,
                                                    const Workspace& workspace) const {
  return guard([&]() -> Result<std::unique_ptr<Session>> {
    if (artifact.format != "gguf") {
      return Error{ErrorCode::unsupported,
                   str("[llama_cpp] format must be gguf, but got ", artifact.format, "."),
                   {},
                   "format",
                   artifact.format};
    }
    const auto file = std::filesystem::path(artifact.folder) / artifact.entry;
    // Our reader's verdict comes first: the engine aborts on some malformed files.
    STROP_TRY(const bool encoder, is_encoder(file));
    if (const auto cache = run_options.find(kCacheKnob); encoder && cache != run_options.end())
      return Error{ErrorCode::invalid_input,
                   str("[llama_cpp] ", kCacheKnob,
                       " is of decoders, and this model is an encoder: it keeps nothing from one "
                       "text to the next."),
                   {},
                   kCacheKnob,
                   cache->second};
    STROP_TRY(auto options, parse_options(run_options));
    STROP_TRY(const auto variant, variants_.load(options.cpu_variant));
    options.cpu_variant = variant.name;
    return encoder ? EncoderSession::open(file, options, workspace.stop)
                   : LlamaSession::open(file, options, workspace.stop);
  });
}

}  // namespace strop::llama_cpp
