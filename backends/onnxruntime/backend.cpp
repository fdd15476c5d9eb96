#include "backend.h"

#include <algorithm>
#include <array>

#include "core/clock.h"
#include "core/files.h"
#include "core/json.h"
#include "core/os.h"
#include "decoder.h"
#include "engine.h"
#include "formats/onnx.h"
#include "olive_recipes.h"
#include "placement.h"
#include "recipes.h"
#include "static_quantize.h"
#include "tensors.h"

namespace fs = std::filesystem;

namespace strop::onnxruntime {
namespace {

constexpr const char* kConfig = "genai_config.json";
constexpr std::uint64_t kMostConfigBytes = 1u << 20;
constexpr std::uint32_t kMostContext = 1u << 24;

// Those that the convert worker writes as ONNX.
constexpr std::array<std::string_view, 2> kArchitectures{"llama", "mistral"};

bool is_known(std::string_view architecture) {
  return std::find(kArchitectures.begin(), kArchitectures.end(), architecture) !=
         kArchitectures.end();
}

// A Hugging Face folder that the convert worker writes as an ONNX encoder.
bool is_encoder(const Model& model) {
  return model.format == "huggingface" && model.kind == ModelKind::embedding &&
         model.architecture == "bert";
}

// Empty when the model can be made to run on the target.
std::string why_not(const Model& model, const Target& target) {
  if (target.arch != "x86_64" && target.arch != "aarch64")
    return "ONNX Runtime's CPU kernels need x86_64 or aarch64, not " + target.arch;
  if (model.format == "onnx") return {};
  if (model.format != "huggingface")
    return "there is no conversion from " + model.format + " to ONNX";
  if (is_encoder(model)) return {};
  if (model.kind != ModelKind::llm || !is_known(model.architecture))
    return "only llama-type decoders and BERT-type encoders are converted to ONNX, not " +
           model.architecture;
  if (model.experts.value_or(0) > 0) return "mixtures of experts are not converted to ONNX";
  return {};
}

std::vector<KnobRule> knobs_with(std::uint32_t context) {
  auto knobs = session_knobs();
  knobs.push_back({{"context",
                    {},
                    std::to_string(context),
                    "tokens that a sequence may hold; at most what the model was made for"},
                   context});
  return knobs;
}

// How many tokens the decoder was made for. The file comes from outside, like all of the artifact.
Result<std::uint32_t> context_of(const fs::path& folder) {
  const fs::path file = folder / kConfig;
  STROP_TRY(const std::string text, read_text(file, kMostConfigBytes));
  STROP_TRY(const Json config, parse_json(text, kConfig));
  const auto refuse = [](const std::string& value) {
    return Error{ErrorCode::invalid_input,
                 str("[onnxruntime] ", kConfig,
                     ": model.context_length must be a whole number "
                     "from 1 to ",
                     kMostContext, "."),
                 {},
                 "model.context_length",
                 value};
  };
  const Json::json_pointer place("/model/context_length");
  if (!config.is_object() || !config.contains(place)) return refuse("");
  const Json& value = config.at(place);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() < 1 ||
      value.get<std::uint64_t>() > kMostContext)
    return refuse(shown(value));
  return value.get<std::uint32_t>();
}

Error wrong_format(const std::string& format) {
  return {ErrorCode::unsupported,
          str("[onnxruntime] the input must be an ONNX file, but is ", format, "."),
          {},
          "format",
          format};
}

// The file and its external data, as they are.
Result<Artifact> copied(const Model& input, const Workspace& workspace) {
  if (input.format != "onnx") return wrong_format(input.format);
  const fs::path from = input.path;
  STROP_TRY(const auto external, formats::onnx_external_files(from));
  Artifact artifact{.format = "onnx", .entry = "model.onnx"};
  const auto copy = [&](const fs::path& source, const std::string& name) -> Result<void> {
    STROP_CHECK(copy_whole(source, workspace.dir / name));
    artifact.files.push_back({.path = name});
    return {};
  };
  STROP_CHECK(copy(from, artifact.entry));
  for (const auto& name : external) {
    if (name == artifact.entry)
      return Error{ErrorCode::invalid_input,
                   str("[onnxruntime] external data must not be named ", name, "."),
                   {},
                   "external_data",
                   name};
    STROP_CHECK(copy(from.parent_path() / name, name));
  }
  return artifact;
}

SessionInfo info_of(RunOptions options, double load_seconds, const Placed& found) {
  std::string provider = options.at("provider");
  return {.run_options = std::move(options),
          .cpu_variant = provider + " execution provider",
          .load_seconds = load_seconds,
          .placement = found.placement,
          .notes = found.notes};
}

Result<std::unique_ptr<Session>> opened(const fs::path& file, const RunOptions& given,
                                        const fs::path& workspace) {
  std::error_code error;
  const bool decoder = fs::exists(file.parent_path() / kConfig, error);
  auto knobs = session_knobs();
  std::uint32_t context = 0;
  if (decoder) {
    STROP_TRY(context, context_of(file.parent_path()));
    knobs = knobs_with(context);
  }
  STROP_TRY(auto options, options_in_force("onnxruntime", knobs, given));
  const bool profiles = options.at("placement") == "on" && !workspace.empty();
  Ort::SessionOptions settings = session_options(options);
  if (profiles) profile_into(settings, workspace);
  const Stopwatch watch;
  Ort::Session session(environment(), file.c_str(), settings);
  const double seconds = watch.seconds();
  const Placed found =
      profiles ? placed(session) : Placed{{}, {"placement not reported: no profile was asked for"}};
  if (!decoder) {
    if (is_decoder(session)) {
      return Error{ErrorCode::unsupported,
                   str("[onnxruntime] a decoder needs ", kConfig,
                       " beside it, which says how many tokens it was made for."),
                   {},
                   kConfig};
    }
    return make_tensor_session(std::move(session), info_of(std::move(options), seconds, found));
  }
  context = number_of(options, "context");
  return Decoder::make(std::move(session), context, info_of(std::move(options), seconds, found));
}

}  // namespace

BackendInfo OnnxRuntimeBackend::info() const {
  BackendInfo info{.name = "onnxruntime", .version = version()};
  const Providers found = providers();
  info.devices = {{.kind = DeviceKind::cpu,
                   .name = "CPU execution provider",
                   .features = {},
                   .cores = os::usable_cores()}};
  std::string missing;
  for (const auto& name : found.missing) missing += str(missing.empty() ? "" : ", ", name);
  if (!missing.empty())
    info.notes.push_back("execution providers that this library does not have: " + missing);
  return info;
}

Fit OnnxRuntimeBackend::assess(const Model& model, const Target& target) const {
  if (const auto reason = why_not(model, target); !reason.empty())
    return {.supported = false, .score = 0, .reasons = {reason + "."}};
  if (model.format == "onnx")
    return {.supported = true, .score = 0.8, .reasons = {"The model is in its own format."}};
  return {.supported = true,
          .score = 0.65,
          .reasons = {"Its 4-bit products decode fast on CPUs with AVX-512 or AVX2."}};
}

RecipeSpace OnnxRuntimeBackend::space(const Model& model, const Target& target) const {
  RecipeSpace space;
  if (!why_not(model, target).empty()) return space;
  const bool encoder = is_encoder(model), tensors = encoder || model.format == "onnx";
  space.recipes = encoder ? encoder_recipes() : tensors ? tensor_recipes(model) : decoder_recipes();
  for (Recipe& recipe : encoder   ? olive_encoder_recipes()
                        : tensors ? olive_tensor_recipes()
                                  : olive_decoder_recipes())
    space.recipes.push_back(std::move(recipe));
  if (!tensors)
    space.skipped.push_back("f16: the CPU kernels compute in f32, so it would only be slower");
  for (const auto& name : providers().missing)
    space.skipped.push_back(str("provider ", name, ": this library of ONNX Runtime lacks it"));
  space.run_knobs = knobs_of(tensors ? session_knobs() : knobs_with(kMostContext));
  space.run_presets = run_presets(tensors);
  return space;
}

Result<Artifact> OnnxRuntimeBackend::build(const Model& input, const Recipe& recipe,
                                           std::size_t step, const Workspace& workspace) const {
  STROP_ASSERT(step < recipe.steps.size(), "step ", step, " of recipe ", recipe.name);
  const Step& asked = recipe.steps[step];
  if (asked.op == Operation::quantize) {
    STROP_TRY(const StaticOptions options, static_options(asked.params));
    if (input.format != "onnx") return wrong_format(input.format);
    return quantize_static(input.path, options, workspace);
  }
  if (asked.op != Operation::convert || !asked.params.empty())
    return Error{ErrorCode::unsupported,
                 "[onnxruntime] this worker takes ONNX files as they are, without parameters, or "
                 "quantises them.",
                 {},
                 "steps"};
  return copied(input, workspace);
}

Result<std::unique_ptr<Session>> OnnxRuntimeBackend::open(const Artifact& artifact,
                                                          const RunOptions& run_options,
                                                          const Workspace& workspace) const {
  if (artifact.format != "onnx") {
    return Error{ErrorCode::unsupported,
                 str("[onnxruntime] format must be onnx, but got ", artifact.format, "."),
                 {},
                 "format",
                 artifact.format};
  }
  const auto file = fs::path(artifact.folder) / artifact.entry;
  STROP_CHECK(formats::read_onnx(file));  // the engine trusts what it reads
  return guard(str("opening ", artifact.entry),
               [&] { return opened(file, run_options, workspace.dir); });
}

}  // namespace strop::onnxruntime
