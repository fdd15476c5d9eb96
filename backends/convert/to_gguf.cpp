#include "to_gguf.h"

#include <algorithm>

#include "formats/gguf.h"

namespace fs = std::filesystem;

namespace strop::convert {
namespace {

using namespace formats;

constexpr std::size_t kChunkBytes = 8u << 20;

// Token types of GGUF's tokenizer.ggml.token_type.
enum TokenType : std::int32_t { normal = 1, control = 3, user_defined = 4, unused = 5 };
// Values of general.file_type.
std::uint32_t file_type(FloatType type) {
  return type == FloatType::f32 ? 0 : type == FloatType::f16 ? 1 : 32;
}

void add_model_metadata(GgufWriter& writer, const HuggingFaceConfig& config, const fs::path& folder,
                        FloatType type) {
  writer.add("general.architecture", "llama");
  writer.add("general.type", "model");
  writer.add("general.name", folder.filename().string());
  if (const std::string license = read_license(folder); !license.empty())
    writer.add("general.license", license);
  writer.add("llama.block_count", config.layers);
  writer.add("llama.context_length", config.context);
  writer.add("llama.embedding_length", config.width);
  writer.add("llama.feed_forward_length", config.feed_forward);
  writer.add("llama.attention.head_count", config.heads);
  writer.add("llama.attention.head_count_kv", config.kv_heads);
  writer.add("llama.rope.freq_base", static_cast<float>(config.rope_base));
  if (config.rope_scaling && config.rope_scaling->kind == "linear") {
    writer.add("llama.rope.scaling.type", "linear");
    writer.add("llama.rope.scaling.factor", static_cast<float>(config.rope_scaling->factor));
  }
  writer.add("llama.attention.layer_norm_rms_epsilon", static_cast<float>(config.norm_epsilon));
  writer.add("llama.attention.key_length", config.head_width);
  writer.add("llama.attention.value_length", config.head_width);
  writer.add("llama.vocab_size", config.vocabulary);
  writer.add("llama.rope.dimension_count", config.head_width);
  writer.add("general.file_type", file_type(type));
  writer.add("general.quantization_version", std::uint32_t{2});
}

// Text such as <|im_start|> steers the model even where the tokenizer forgot to mark it special.
bool looks_special(const std::string& token) {
  return (token.starts_with("<|") && token.ends_with("|>")) ||
         (token.starts_with("<｜") && token.ends_with("｜>"));
}

Result<void> add_tokenizer(GgufWriter& writer, const HuggingFaceTokenizer& tokenizer,
                           const HuggingFaceConfig& config) {
  std::vector<std::string> tokens = tokenizer.tokens;
  std::vector<std::int32_t> types(tokens.size(), normal);
  tokens.resize(config.vocabulary);
  types.resize(config.vocabulary, unused);
  for (const AddedToken& token : tokenizer.added)
    types[token.id] = token.special || looks_special(token.content) ? control : user_defined;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (!tokens[id].empty()) continue;
    tokens[id] = str("[PAD", id, "]");
    types[id] = unused;
  }
  writer.add("tokenizer.ggml.model", "gpt2");
  writer.add("tokenizer.ggml.pre", tokenizer.pre_tokenizer);
  writer.add("tokenizer.ggml.tokens", tokens);
  writer.add("tokenizer.ggml.token_type", types);
  writer.add("tokenizer.ggml.merges", tokenizer.merges);
  const auto add_id = [&](const char* key, std::optional<std::uint32_t> of_tokenizer,
                          std::optional<std::uint32_t> of_config) {
    if (const auto id = of_tokenizer ? of_tokenizer : of_config; id && *id < config.vocabulary)
      writer.add(key, *id);
  };
  add_id("tokenizer.ggml.bos_token_id", tokenizer.bos, config.bos);
  add_id("tokenizer.ggml.eos_token_id", tokenizer.eos, config.eos);
  add_id("tokenizer.ggml.unknown_token_id", tokenizer.unknown, {});
  add_id("tokenizer.ggml.padding_token_id", tokenizer.pad, config.pad);
  writer.add("tokenizer.ggml.add_bos_token", tokenizer.add_bos);
  if (tokenizer.add_eos) writer.add("tokenizer.ggml.add_eos_token", true);
  if (tokenizer.add_space_prefix)
    writer.add("tokenizer.ggml.add_space_prefix", *tokenizer.add_space_prefix);
  if (!tokenizer.chat_template.empty())
    writer.add("tokenizer.chat_template", tokenizer.chat_template);
  return {};
}

// Rows of one tensor in the wanted type.
class Rows {
 public:
  Rows(const SafeTensor& tensor, std::uint64_t rows, FloatType to)
      : data_(tensor.data),
        from_(*float_type(tensor.type)),
        to_(to),
        row_bytes_(tensor.data.size() / rows) {}

  Rows(const MlxMatrix& matrix, FloatType to)
      : data_(matrix.weight.data),
        from_(FloatType::f32),
        to_(to),
        row_bytes_(packed_bytes(matrix.grid, matrix.columns)),
        matrix_(&matrix) {}

  std::uint64_t row_bytes() const { return row_bytes_; }

  // False when a value is not finite in the wanted type.
  bool append(std::uint64_t row, std::uint64_t count, std::string& out) {
    if (!matrix_)
      return append_converted(data_.substr(row * row_bytes_, count * row_bytes_), from_, to_, out);
    bool finite = true;
    for (std::uint64_t end = row + count; row < end; ++row) finite &= append_unpacked(row, out);
    return finite;
  }

 private:
  // The row's scales or biases, as bytes of f32.
  bool widen(const SafeTensor& tensor, std::uint64_t row, std::string& out) const {
    const std::uint64_t bytes = tensor.data.size() / matrix_->rows;
    out.clear();
    return append_converted(tensor.data.substr(row * bytes, bytes), *float_type(tensor.type),
                            FloatType::f32, out);
  }

  bool append_unpacked(std::uint64_t row, std::string& out) {
    if (!widen(matrix_->scales, row, scales_) || !widen(matrix_->biases, row, biases_))
      return false;
    const auto floats = [](const std::string& bytes) {
      return std::span(reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float));
    };
    values_.resize(matrix_->columns);
    dequantise_row(data_.substr(row * row_bytes_, row_bytes_), matrix_->grid, floats(scales_),
                   floats(biases_), values_);
    return append_converted(
        {reinterpret_cast<const char*>(values_.data()), values_.size() * sizeof(float)}, from_, to_,
        out);
  }

  std::string_view data_;
  FloatType from_, to_;
  std::uint64_t row_bytes_;
  const MlxMatrix* matrix_ = nullptr;
  std::string scales_, biases_;
  std::vector<float> values_;
};

class TensorCopy {
 public:
  TensorCopy(GgufWriter& writer, const DecoderSource& source) : writer_(writer), source_(source) {}

  Result<void> copy(const TensorPlan& plan, FloatType to) {
    const std::uint64_t count = plan.shape.size() > 1 ? plan.shape[0] : 1;
    const auto packed = source_.packed.find(plan.source);
    if (packed != source_.packed.end())
      return copy_rows(Rows(packed->second, to), packed->second.weight, count, plan);
    STROP_TRY(const SafeTensor* tensor, expected_tensor(source_.weights, plan));
    return copy_rows(Rows(*tensor, count, to), *tensor, count, plan);
  }

 private:
  // Converts in chunks of whole rows, so that memory stays at a few megabytes whatever the tensor's
  // size.
  Result<void> copy_rows(Rows rows, const SafeTensor& tensor, std::uint64_t count,
                         const TensorPlan& plan) {
    const std::uint64_t rows_per_chunk = std::max<std::uint64_t>(1, kChunkBytes / rows.row_bytes());
    for (std::uint64_t begin = 0; begin < count; begin += rows_per_chunk) {
      const std::uint64_t end = std::min(count, begin + rows_per_chunk);
      buffer_.clear();
      bool finite = true;
      if (plan.rotary_heads == 0) {
        finite = rows.append(begin, end - begin, buffer_);
      } else {
        for (std::uint64_t row = begin; row < end; ++row)
          finite &= rows.append(source_row(row, count, plan.rotary_heads), 1, buffer_);
      }
      if (!finite) {
        return Error{
            .code = ErrorCode::corrupt,
            .message =
                str("[optimize] the tensor ", plan.source,
                    " holds a value that is not finite, or not in the range of the wanted type"),
            .hint = "The weights are damaged; no artifact made of them could be right.",
            .field = plan.source};
      }
      STROP_CHECK(writer_.append(buffer_));
    }
    source_.weights.files[tensor.file].release(tensor.data);
    return {};
  }

  GgufWriter& writer_;
  const DecoderSource& source_;
  std::string buffer_;
};

}  // namespace

Result<void> write_vocabulary(const DecoderSource& source, const fs::path& folder,
                              const fs::path& out) {
  GgufWriter writer;
  add_model_metadata(writer, source.config, folder, FloatType::f32);
  STROP_CHECK(add_tokenizer(writer, source.tokenizer, source.config));
  STROP_CHECK(writer.begin(out));
  return writer.finish();
}

Result<void> huggingface_to_gguf(const fs::path& folder, FloatType type,
                                 const Workspace& workspace) {
  STROP_TRY(const DecoderSource source, read_decoder(folder));
  const auto& config = source.config;
  const auto& plan = source.plan;

  GgufWriter writer;
  add_model_metadata(writer, config, folder, type);
  STROP_CHECK(add_tokenizer(writer, source.tokenizer, config));
  const auto stored = [&](const TensorPlan& tensor) {
    return tensor.shape.size() == 1 ? FloatType::f32 : type;
  };
  const auto ggml_type = [](FloatType t) -> const TensorType& {
    return *tensor_type(t == FloatType::f32 ? "f32" : t == FloatType::f16 ? "f16" : "bf16");
  };
  const std::vector<float> factors = rotary_factors(config);
  if (!factors.empty()) {
    writer.add_tensor("rope_freqs.weight", ggml_type(FloatType::f32), {factors.size()});
  }
  for (const TensorPlan& tensor : plan) {
    writer.add_tensor(tensor.name, ggml_type(stored(tensor)),
                      {tensor.shape.rbegin(), tensor.shape.rend()});
  }
  STROP_CHECK(writer.begin(workspace.dir / "model.gguf"));
  if (!factors.empty())
    STROP_CHECK(writer.append(
        {reinterpret_cast<const char*>(factors.data()), factors.size() * sizeof(float)}));
  TensorCopy copier(writer, source);
  for (std::size_t i = 0; i < plan.size(); ++i) {
    if (workspace.stop.stop_requested())
      return Error{.code = ErrorCode::cancelled, .message = "the conversion was cancelled"};
    if (workspace.progress)
      workspace.progress->report(static_cast<double>(i) / static_cast<double>(plan.size()),
                                 plan[i].name);
    STROP_CHECK(copier.copy(plan[i], stored(plan[i])));
  }
  STROP_CHECK(writer.finish());
  return write_vocabulary(source, folder, workspace.dir / "vocab.gguf");
}

}  // namespace strop::convert
