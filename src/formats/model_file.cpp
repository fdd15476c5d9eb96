#include "formats/model_file.h"

#include <array>
#include <map>

#include "core/files.h"
#include "core/utf8.h"
#include "formats/gguf.h"
#include "formats/huggingface.h"
#include "formats/mlx.h"
#include "formats/onnx.h"
#include "formats/openvino_ir.h"
#include "formats/safetensors.h"
#include "formats/sentence.h"
#include "formats/weight_grid.h"

namespace fs = std::filesystem;

namespace strop {
namespace {

using namespace formats;

constexpr std::size_t kMostWords = 256;  // bytes

// What a file says of itself as a part of reports: not long, and UTF-8 whatever it was.
std::string words(std::string_view text) { return repaired_utf8(text.substr(0, kMostWords)); }

// The type that holds most of the bytes.
class Precision {
 public:
  void count(std::string_view type, std::uint64_t bytes) { bytes_[std::string(type)] += bytes; }
  std::string most() const {
    std::string best;
    std::uint64_t most = 0;
    for (const auto& [type, bytes] : bytes_) {
      if (bytes > most) most = bytes, best = type;
    }
    return best;
  }

 private:
  std::map<std::string, std::uint64_t> bytes_;
};

ModelKind kind_of(const std::string& architecture) {
  struct Pattern {
    const char* part;
    ModelKind kind;
  };
  constexpr std::array kPatterns{Pattern{"VisionModel", ModelKind::vision},
                                 Pattern{"ForConditionalGeneration", ModelKind::multimodal},
                                 Pattern{"ForCausalLM", ModelKind::llm},
                                 Pattern{"ImageClassification", ModelKind::vision},
                                 Pattern{"ObjectDetection", ModelKind::vision},
                                 Pattern{"Audio", ModelKind::audio},
                                 Pattern{"Speech", ModelKind::audio},
                                 Pattern{"BertModel", ModelKind::embedding},
                                 Pattern{"MaskedLM", ModelKind::embedding}};
  for (const Pattern& pattern : kPatterns) {
    if (architecture.find(pattern.part) != std::string::npos) return pattern.kind;
  }
  return ModelKind::other;
}

// The family's name, the same for every format of one model.
std::string family_of(const HuggingFaceConfig& config) {
  return config.model_type.empty() ? config.architecture : config.model_type;
}

// What the converted model takes and gives (backends/convert/encoder_to_onnx.h).
Result<void> add_encoder_ports(const HuggingFaceConfig& config, const fs::path& folder,
                               Model& model) {
  if (config.architecture != "BertModel") return {};
  for (const char* name : {"input_ids", "attention_mask", "token_type_ids"})
    model.inputs.push_back({.name = name, .type = "i64", .shape = {-1, -1}});
  const std::int64_t width = config.width;
  model.outputs.push_back({.name = "last_hidden_state", .type = "f32", .shape = {-1, -1, width}});
  STROP_TRY(const SentencePooling pooling, read_sentence_pooling(folder));
  if (pooling.mean)
    model.outputs.push_back({.name = "sentence_embedding", .type = "f32", .shape = {-1, width}});
  return {};
}

std::optional<std::uint32_t> stated(std::uint32_t value) {
  return value ? std::optional(value) : std::nullopt;
}

// Packed matrices of an MLX folder; none in a folder that is not quantised.
Result<std::map<std::string, MlxMatrix>> packed_matrices(
    const std::optional<MlxQuantization>& quantization, const SafetensorsModel& weights) {
  if (!quantization) return std::map<std::string, MlxMatrix>();
  return read_mlx_matrices(*quantization, weights);
}

Result<Model> read_huggingface(const fs::path& folder) {
  STROP_CHECK(refuse_pickles(folder));
  STROP_TRY(const HuggingFaceConfig config, read_config(folder));
  STROP_TRY(const SafetensorsModel weights, read_safetensors_folder(folder));
  STROP_TRY(const auto quantization, read_mlx_quantization(folder));
  STROP_TRY(const auto packed, packed_matrices(quantization, weights));
  Model model{.path = folder.string(),
              .format = quantization ? "mlx" : "huggingface",
              .architecture = family_of(config),
              .kind = kind_of(config.architecture)};
  Precision precision;
  std::uint64_t parameters = 0;
  for (const SafeTensor& tensor : weights.tensors) {
    parameters += tensor.elements();
    model.weight_bytes += tensor.data.size();
    if (!packed.contains(tensor.name)) precision.count(tensor.type, tensor.data.size());
  }
  for (const auto& [name, matrix] : packed) {
    parameters -= matrix.weight.elements() + matrix.scales.elements() + matrix.biases.elements();
    parameters += matrix.rows * matrix.columns;
    precision.count(str("int", matrix.grid.bits), matrix.weight.data.size());
  }
  model.parameter_count = parameters;
  model.precision = precision.most();
  model.context_length = stated(config.context);
  model.vocabulary_size = stated(config.vocabulary);
  model.layer_count = stated(config.layers);
  model.width = stated(config.width);
  model.cache_width = stated(2 * config.kv_heads * config.head_width);
  model.experts = config.experts;
  model.license = read_license(folder);
  model.provenance = read_base_model(folder);
  model.source_grid = grid_of(weights);
  STROP_CHECK(add_encoder_ports(config, folder, model));
  return model;
}

std::optional<std::uint32_t> small(std::optional<std::uint64_t> value) {
  return value && *value <= 0xffffffffu ? std::optional(static_cast<std::uint32_t>(*value))
                                        : std::nullopt;
}

// Keys and values of one token in one layer. The file may leave out what follows from the rest.
std::optional<std::uint32_t> cache_width(std::optional<std::uint32_t> heads,
                                         std::optional<std::uint32_t> kv_heads,
                                         std::optional<std::uint32_t> head_width,
                                         std::optional<std::uint32_t> width) {
  if (!heads || *heads == 0 || !width) return {};
  const std::uint64_t each = head_width.value_or(*width / *heads);
  const std::uint64_t values = 2 * each * kv_heads.value_or(*heads);
  return small(values > 0 ? std::optional(values) : std::nullopt);
}

Result<Model> read_gguf(const fs::path& path) {
  STROP_TRY(const GgufFile file, GgufFile::open(path));
  const std::string architecture(file.text("general.architecture").value_or(""));
  if (architecture.empty()) {
    return Error{.code = ErrorCode::corrupt,
                 .message = str("[formats] ", path.string(), ": general.architecture is missing"),
                 .field = "general.architecture"};
  }
  Model model{.path = path.string(),
              .format = "gguf",
              .architecture = words(architecture),
              .kind = ModelKind::llm};
  if (architecture.find("bert") != std::string::npos) model.kind = ModelKind::embedding;
  if (architecture == "clip") model.kind = ModelKind::vision;
  Precision precision;
  std::uint64_t parameters = 0;
  for (const GgufTensor& tensor : file.tensors()) {
    parameters += tensor.elements();
    model.weight_bytes += tensor.data.size();
    precision.count(tensor.type->name, tensor.data.size());
  }
  model.parameter_count = parameters;
  model.precision = precision.most();
  const auto own = [&](const char* key) { return small(file.count(str(architecture, ".", key))); };
  model.context_length = own("context_length");
  model.layer_count = own("block_count");
  model.width = own("embedding_length");
  model.cache_width = cache_width(own("attention.head_count"), own("attention.head_count_kv"),
                                  own("attention.key_length"), model.width);
  model.experts = own("expert_count");
  if (const GgufArray* tokens = file.array("tokenizer.ggml.tokens"))
    model.vocabulary_size = small(tokens->count);
  model.license = words(file.text("general.license").value_or(""));
  model.provenance = words(file.text("general.name").value_or(""));
  model.source_grid = grid_of(file);
  return model;
}

Error not_a_model(const fs::path& path, const std::string& found) {
  return Error{
      .code = ErrorCode::invalid_input,
      .message = str("[assess] ", path.string(), " is not a model that strop knows: ", found),
      .hint =
          "Give a Hugging Face folder (config.json with safetensors), a GGUF file, an ONNX file or "
          "an OpenVINO IR (.xml).",
      .field = "MODEL",
      .value = path.string()};
}

// Python's pickles (protocols 2 to 5), archives, which hide them, and HDF5 and NumPy files, which
// may hold them.
bool carries_code(std::string_view bytes) {
  const bool pickle = bytes.size() > 1 && bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5;
  return pickle || bytes.starts_with("PK\x03\x04") || bytes.starts_with("\x89HDF") ||
         bytes.starts_with("\x93NUMPY");
}

Result<Model> read_file(const fs::path& path) {
  STROP_TRY(const MappedFile file, MappedFile::open(path));
  const std::string_view bytes = file.bytes();
  if (bytes.starts_with("GGUF")) return read_gguf(path);
  if (carries_code(bytes))
    return Error{.code = ErrorCode::unsupported,
                 .message = str("[assess] ", path.string(),
                                " is a pickle or an archive, a format that can carry code"),
                 .hint = "Convert it to safetensors or ONNX where you trust it, then give that.",
                 .field = "MODEL",
                 .value = path.string()};
  if (path.extension() == ".xml" || bytes.starts_with("<?xml") || bytes.starts_with("<net"))
    return read_openvino_ir(path);
  if (path.extension() == ".onnx") return read_onnx(path);
  if (path.extension() == ".safetensors")
    return not_a_model(path, "a safetensors file alone has no configuration; give its folder");
  return not_a_model(path, "its first bytes are of no known format");
}

}  // namespace

Result<Model> read_model(const fs::path& path) {
  // It goes into reports and to workers, which are JSON.
  if (invalid_utf8(path.string())) {
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("[assess] the path of a model must be UTF-8, but is ",
                                repaired_utf8(path.string())),
                 .hint = "Rename the file or folder.",
                 .field = "MODEL",
                 .value = repaired_utf8(path.string())};
  }
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    return Error{.code = ErrorCode::not_found,
                 .message = str("[assess] there is no file or folder ", path.string()),
                 .hint = "Check the path.",
                 .field = "MODEL",
                 .value = path.string()};
  }
  if (!fs::is_directory(status)) return read_file(path);
  if (fs::exists(path / "config.json", error)) return read_huggingface(path);
  STROP_CHECK(refuse_pickles(path));
  return not_a_model(path, "the folder has no config.json");
}

double stored_bits_per_weight(const Model& model) {
  if (!model.parameter_count || *model.parameter_count == 0) return 16;
  return 8.0 * static_cast<double>(model.weight_bytes) /
         static_cast<double>(*model.parameter_count);
}

Result<std::vector<fs::path>> files_of_model(const fs::path& file, const Model& model) {
  std::vector<fs::path> files{file};
  if (model.format == "onnx") {
    STROP_TRY(const auto external, onnx_external_files(file));
    for (const std::string& name : external) files.push_back(file.parent_path() / name);
  }
  if (model.format == "openvino_ir") {
    fs::path weights = fs::path(file).replace_extension(".bin");
    if (is_own_file(file.parent_path(), weights.filename())) files.push_back(std::move(weights));
  }
  return files;
}

std::vector<fs::path> descriptions_of_model(const fs::path& file) {
  std::vector<fs::path> files;
  for (const char* name :
       {"config.json", "genai_config.json", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json", "vocab.txt", "vocab.gguf"}) {
    if (is_own_file(file.parent_path(), name)) files.push_back(file.parent_path() / name);
  }
  return files;
}

}  // namespace strop
