#include "backend.h"

#include <llama.h>

#include <array>

#include "core/files.h"
#include "encoder_to_gguf.h"
#include "encoder_to_onnx.h"
#include "formats/gguf.h"
#include "quantize.h"
#include "strop/version.h"
#include "to_gguf.h"
#include "to_mlx.h"
#include "to_onnx.h"
#include "word_piece.h"

namespace fs = std::filesystem;

namespace strop::convert {
namespace {

constexpr const char* kModel = "model.gguf";
constexpr const char* kVocabulary = "vocab.gguf";
constexpr const char* kConfig = "config.json";
constexpr const char* kTokenizerFolder = "tokenizer";
constexpr std::array kTokenizerFiles{"tokenizer.json", "tokenizer_config.json",
                                     "special_tokens_map.json", "generation_config.json",
                                     "config.json"};

constexpr std::array kMlxTokenizerFiles{"tokenizer.json",          "tokenizer_config.json",
                                        "special_tokens_map.json", "generation_config.json",
                                        "chat_template.jinja",     "README.md"};

Result<std::string> param(const Step& step, const std::string& name) {
  const auto found = step.params.find(name);
  if (found == step.params.end())
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("[optimize] the step lacks ", name),
                 .field = name};
  return found->second;
}

// The original's tokenizer files travel beside the vocabulary, for tools that want them: in
// `folder` of the artifact.
Result<void> keep_tokenizer(const fs::path& from, const fs::path& to, const fs::path& folder,
                            Artifact& artifact) {
  for (const char* name : kTokenizerFiles) {
    if (!is_own_file(from, name)) continue;
    STROP_CHECK(copy_whole(from / name, to / folder / name));
    artifact.files.push_back({.path = (folder / name).string()});
  }
  return {};
}

Artifact gguf_artifact() {
  return {.format = "gguf", .entry = kModel, .files = {{.path = kModel}, {.path = kVocabulary}}};
}

// A vocabulary-only file of a GGUF that came from outside: its metadata without its tensors.
Result<void> extract_vocabulary(const fs::path& model, const fs::path& out) {
  STROP_TRY(const formats::GgufFile file, formats::GgufFile::open(model));
  formats::GgufWriter writer;
  writer.add_all(file);
  STROP_CHECK(writer.begin(out));
  return writer.finish();
}

Error wrong_input(const Model& input) {
  return Error{.code = ErrorCode::unsupported,
               .message = str("[optimize] only Hugging Face and MLX folders and GGUF files can be "
                              "converted, but this is ",
                              input.format),
               .field = "format",
               .value = input.format};
}

// An encoder is of use without a vocabulary too: one that cannot be carried over is a note.
Result<void> add_vocabulary(const fs::path& folder, const Workspace& workspace,
                            Artifact& artifact) {
  std::error_code error;
  if (!fs::exists(folder / "tokenizer.json", error)) return {};
  auto written = write_word_piece(folder, workspace.dir / kVocabulary);
  if (written) {
    artifact.files.push_back({.path = kVocabulary});
  } else if (written.error().code == ErrorCode::unsupported) {
    artifact.notes.push_back("There is no vocabulary for text: " + written.error().message);
  } else {
    return written;
  }
  return {};
}

// Of a model that is a folder: the model itself, or the artifact whose config.json is named.
fs::path folder_of(const Model& input) {
  const fs::path path = input.path;
  return path.filename() == kConfig ? path.parent_path() : path;
}

Result<Artifact> convert_encoder(const Model& input, const OnnxOptions& options,
                                 const Workspace& workspace) {
  if (options.blocks || options.floats != FloatType::f32)
    return Error{.code = ErrorCode::unsupported,
                 .message = "[optimize] type must be f32 for an encoder",
                 .field = "type"};
  Artifact artifact{.format = "onnx", .entry = "model.onnx"};
  STROP_TRY(artifact.notes, encoder_to_onnx(input.path, workspace));
  for (const char* name : {"model.onnx", "model.onnx.data"})
    artifact.files.push_back({.path = name});
  STROP_CHECK(add_vocabulary(input.path, workspace, artifact));
  STROP_CHECK(keep_tokenizer(input.path, workspace.dir, "", artifact));
  return artifact;
}

// The tokenizer alone, for a model that runs as it is.
Result<Artifact> convert_vocabulary(const Model& input, const Workspace& workspace) {
  STROP_CHECK(write_word_piece(input.path, workspace.dir / kVocabulary));
  return Artifact{.format = "gguf", .entry = kVocabulary, .files = {{.path = kVocabulary}}};
}

// The tokenizer's files are beside the model, where onnxruntime-genai looks for them.
Result<Artifact> convert_to_onnx(const Model& input, const Step& step, const Workspace& workspace) {
  if (input.format != "huggingface")
    return Error{
        .code = ErrorCode::unsupported,
        .message = str("[optimize] only a Hugging Face folder can become ONNX, but this is ",
                       input.format),
        .field = "format",
        .value = input.format};
  STROP_TRY(const OnnxOptions options, onnx_options(step.params));
  if (input.kind == ModelKind::embedding) return convert_encoder(input, options, workspace);
  const fs::path folder = folder_of(input);
  STROP_CHECK(huggingface_to_onnx(folder, options, workspace));
  Artifact artifact{.format = "onnx", .entry = "model.onnx"};
  for (const char* name : {"model.onnx", "model.onnx.data", "genai_config.json", kVocabulary})
    artifact.files.push_back({.path = name});
  STROP_CHECK(keep_tokenizer(folder, workspace.dir, "", artifact));
  return artifact;
}

// The tokenizer's files lie beside the weights, where mlx-lm looks for them.
Result<Artifact> convert_to_mlx(const Model& input, const Step& step, const Workspace& workspace) {
  if (input.format != "huggingface")
    return Error{.code = ErrorCode::unsupported,
                 .message = str("[optimize] only a Hugging Face folder can become an MLX folder, "
                                "but this is ",
                                input.format),
                 .field = "format",
                 .value = input.format};
  STROP_TRY(const std::string to, param(step, "to"));
  if (to != "mlx")
    return Error{.code = ErrorCode::unsupported,
                 .message = str("[optimize] quantising can go to mlx, or to a type of GGUF without "
                                "to, but to is ",
                                to),
                 .field = "to",
                 .value = to};
  STROP_TRY(const MlxOptions options, mlx_options(step.params));
  STROP_TRY(const MlxFolder made, huggingface_to_mlx(input.path, options, workspace));
  Artifact artifact{.format = "mlx", .entry = kConfig, .notes = made.notes};
  for (const std::string& file : made.files) artifact.files.push_back({.path = file});
  for (const char* name : kMlxTokenizerFiles) {
    if (!is_own_file(input.path, name)) continue;
    STROP_CHECK(copy_whole(fs::path(input.path) / name, workspace.dir / name));
    artifact.files.push_back({.path = name});
  }
  return artifact;
}

Result<Artifact> convert_step(const Model& input, const Step& step, const Workspace& workspace) {
  STROP_TRY(const std::string to, param(step, "to"));
  STROP_TRY(const std::string type, param(step, "type"));
  if (to == "onnx") return convert_to_onnx(input, step, workspace);
  if (to == "vocabulary") return convert_vocabulary(input, workspace);
  if (to != "gguf")
    return Error{.code = ErrorCode::unsupported,
                 .message = str("[optimize] to must be gguf, onnx or vocabulary, but is ", to),
                 .field = "to",
                 .value = to};
  Artifact artifact = gguf_artifact();
  if (input.format == "gguf") {
    if (type != "auto")
      return Error{
          .code = ErrorCode::unsupported,
          .message = str("[optimize] a GGUF is taken as it is (type auto), but type is ", type),
          .field = "type",
          .value = type};
    STROP_TRY(const formats::GgufFile checked, formats::GgufFile::open(input.path));
    STROP_CHECK(copy_whole(input.path, workspace.dir / kModel));
    STROP_CHECK(extract_vocabulary(input.path, workspace.dir / kVocabulary));
    return artifact;
  }
  if (input.format == "mlx" && type == "auto")
    return Error{.code = ErrorCode::invalid_input,
                 .message = "[optimize] an MLX folder's type must be f32, f16 or bf16, but is auto",
                 .field = "type",
                 .value = type};
  if (input.format != "huggingface" && input.format != "mlx") return wrong_input(input);
  const auto wanted = float_type(type == "auto" ? input.precision : type);
  if (!wanted)
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("[optimize] type must be f32, f16, bf16 or auto, but is ", type,
                                " of ", input.precision, " weights"),
                 .field = "type",
                 .value = type};
  const fs::path folder = folder_of(input);
  if (input.kind == ModelKind::embedding) {
    STROP_TRY(artifact.notes, encoder_to_gguf(folder, *wanted, workspace));
  } else {
    STROP_CHECK(huggingface_to_gguf(folder, *wanted, workspace));
  }
  STROP_CHECK(keep_tokenizer(folder, workspace.dir, kTokenizerFolder, artifact));
  return artifact;
}

Result<Artifact> quantize_step(const Model& input, const Step& step, const Workspace& workspace) {
  STROP_TRY(const std::string type, param(step, "type"));
  const fs::path folder = fs::path(input.path).parent_path();
  Artifact artifact = gguf_artifact();
  STROP_TRY(artifact.notes, quantize(input.path, type, workspace.dir / kModel, workspace));
  std::error_code error;
  if (fs::exists(folder / kVocabulary, error))
    STROP_CHECK(copy_whole(folder / kVocabulary, workspace.dir / kVocabulary));
  else
    STROP_CHECK(extract_vocabulary(input.path, workspace.dir / kVocabulary));
  STROP_CHECK(keep_tokenizer(folder / kTokenizerFolder, workspace.dir, kTokenizerFolder, artifact));
  return artifact;
}

}  // namespace

BackendInfo ConvertBackend::info() const {
  return {.name = "convert", .version = str(STROP_VERSION, ", llama.cpp ", llama_version())};
}

Fit ConvertBackend::assess(const Model&, const Target&) const {
  return {.supported = false,
          .score = 0,
          .reasons = {"converts for the other workers, runs no models"}};
}

RecipeSpace ConvertBackend::space(const Model&, const Target&) const { return {}; }

Result<Artifact> ConvertBackend::build(const Model& input, const Recipe& recipe, std::size_t step,
                                       const Workspace& workspace) const {
  const Step& asked = recipe.steps.at(step);
  if (asked.op == Operation::convert) return convert_step(input, asked, workspace);
  if (asked.op == Operation::quantize && asked.params.contains("to"))
    return convert_to_mlx(input, asked, workspace);
  if (asked.op == Operation::quantize) return quantize_step(input, asked, workspace);
  return Error{.code = ErrorCode::unsupported,
               .message = "[optimize] the convert worker converts and quantises",
               .field = "op"};
}

Result<std::unique_ptr<Session>> ConvertBackend::open(const Artifact&, const RunOptions&,
                                                      const Workspace&) const {
  return Error{.code = ErrorCode::unsupported,
               .message = "[measure] the convert worker runs no models"};
}

}  // namespace strop::convert
