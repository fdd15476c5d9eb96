#include "to_gguf.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "decoder_layout.h"
#include "formats/gguf.h"
#include "formats/huggingface.h"
#include "formats/safetensors.h"

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

Error unsupported(const std::string& field, const std::string& rule, const std::string& value) {
  return Error{.code = ErrorCode::unsupported,
               .message = str("[optimize] config.json: ", field, " ", rule, ", but is ", value),
               .field = field,
               .value = value};
}

Result<void> check_supported(const HuggingFaceConfig& config) {
  if (config.architecture != "LlamaForCausalLM" && config.architecture != "MistralForCausalLM")
    return unsupported("architectures",
                       "must be LlamaForCausalLM or MistralForCausalLM to be converted",
                       config.architecture);
  for (const auto& [field, value] : {std::pair{"vocab_size", config.vocabulary},
                                     {"hidden_size", config.width},
                                     {"num_hidden_layers", config.layers},
                                     {"num_attention_heads", config.heads},
                                     {"intermediate_size", config.feed_forward},
                                     {"max_position_embeddings", config.context}}) {
    if (value == 0) return unsupported(field, "must be stated", "missing");
  }
  if (config.sliding_window && *config.sliding_window < config.context)
    return unsupported("sliding_window", str("must not be below the context of ", config.context),
                       str(*config.sliding_window));
  if (config.activation != "silu")
    return unsupported("hidden_act", "must be silu", config.activation);
  if (config.attention_bias || config.mlp_bias)
    return unsupported("attention_bias and mlp_bias", "must be false", "true");
  if (config.experts)
    return unsupported("num_local_experts", "must be absent", str(*config.experts));
  if (config.head_width % 2 != 0)
    return unsupported("head_dim", "must be even", str(config.head_width));
  if (config.rope_scaling && config.rope_scaling->kind == "llama3" &&
      config.rope_scaling->original_context == 0)
    return unsupported("rope_scaling.original_max_position_embeddings", "must be stated",
                       "missing");
  if (config.rope_scaling && config.rope_scaling->kind != "linear" &&
      config.rope_scaling->kind != "llama3")
    return unsupported("rope_scaling.rope_type", "must be linear or llama3",
                       config.rope_scaling->kind);
  return {};
}

// Frequencies of Llama 3.1's long-context scaling, as divisors of the plain ones (the model's own
// published formula).
std::vector<float> llama3_factors(const HuggingFaceConfig& config) {
  const RopeScaling& scaling = *config.rope_scaling;
  const double low_wavelength = scaling.original_context / scaling.low_freq_factor;
  const double high_wavelength = scaling.original_context / scaling.high_freq_factor;
  std::vector<float> factors;
  for (std::uint32_t i = 0; i < config.head_width; i += 2) {
    const double frequency =
        1.0 / std::pow(config.rope_base, static_cast<double>(i) / config.head_width);
    const double wavelength = 2 * 3.14159265358979323846 / frequency;
    if (wavelength < high_wavelength) {
      factors.push_back(1);
    } else if (wavelength > low_wavelength) {
      factors.push_back(static_cast<float>(scaling.factor));
    } else {
      const double smooth = (scaling.original_context / wavelength - scaling.low_freq_factor) /
                            (scaling.high_freq_factor - scaling.low_freq_factor);
      factors.push_back(static_cast<float>(1.0 / ((1.0 - smooth) / scaling.factor + smooth)));
    }
  }
  return factors;
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
  if (tokenizer.tokens.size() > config.vocabulary) {
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("[optimize] the tokenizer has ", tokenizer.tokens.size(),
                                " words, but the model's vocabulary ", config.vocabulary),
                 .hint = "Tokenizer and weights are of different models; fetch the folder again.",
                 .field = "vocab_size",
                 .value = str(config.vocabulary)};
  }
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

// The tensor with that name, in the expected shape and a float type.
Result<const SafeTensor*> expected_tensor(const SafetensorsModel& weights, const TensorPlan& plan) {
  const SafeTensor* tensor = weights.find(plan.source);
  const auto refuse = [&](const std::string& rule) {
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("[optimize] the tensor ", plan.source, " ", rule),
                 .field = plan.source};
  };
  if (!tensor) return refuse("is missing");
  if (tensor->shape != plan.shape) {
    std::string expected, got;
    for (std::uint64_t d : plan.shape) expected += str(expected.empty() ? "" : "x", d);
    for (std::uint64_t d : tensor->shape) got += str(got.empty() ? "" : "x", d);
    return refuse(str("must be ", expected, " by config.json, but is ", got));
  }
  if (!float_type(tensor->type))
    return refuse(str("must be f32, f16 or bf16, but is ", tensor->type));
  return tensor;
}

Result<void> refuse_unknown(const SafetensorsModel& weights, const std::vector<TensorPlan>& plan,
                            const HuggingFaceConfig& config) {
  std::set<std::string> known;
  for (const TensorPlan& one : plan) known.insert(one.source);
  if (config.tied_embeddings) known.insert("lm_head.weight");  // a second copy of the embedding
  for (const SafeTensor& tensor : weights.tensors) {
    if (known.contains(tensor.name) || is_ignored(tensor.name)) continue;
    return Error{.code = ErrorCode::unsupported,
                 .message = str("[optimize] the tensor ", tensor.name,
                                " has no place in a llama-type decoder"),
                 .hint = "The model is a variant that this conversion does not know.",
                 .field = tensor.name};
  }
  return {};
}

class TensorCopy {
 public:
  TensorCopy(GgufWriter& writer, const SafetensorsModel& weights)
      : writer_(writer), weights_(weights) {}

  // Converts in chunks of whole rows, so that memory stays at a few megabytes whatever the tensor's
  // size.
  Result<void> copy(const SafeTensor& tensor, const TensorPlan& plan, FloatType to) {
    const FloatType from = *float_type(tensor.type);
    const std::uint64_t rows = plan.shape.size() > 1 ? plan.shape[0] : 1;
    const std::uint64_t row_bytes = tensor.data.size() / rows;
    const std::uint64_t rows_per_chunk = std::max<std::uint64_t>(1, kChunkBytes / row_bytes);
    for (std::uint64_t begin = 0; begin < rows; begin += rows_per_chunk) {
      const std::uint64_t end = std::min(rows, begin + rows_per_chunk);
      buffer_.clear();
      bool finite = true;
      if (plan.rotary_heads == 0) {
        finite = append_converted(tensor.data.substr(begin * row_bytes, (end - begin) * row_bytes),
                                  from, to, buffer_);
      } else {
        for (std::uint64_t row = begin; row < end; ++row)
          finite &= append_converted(
              tensor.data.substr(source_row(row, rows, plan.rotary_heads) * row_bytes, row_bytes),
              from, to, buffer_);
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
    weights_.files[tensor.file].release(tensor.data);
    return {};
  }

 private:
  GgufWriter& writer_;
  const SafetensorsModel& weights_;
  std::string buffer_;
};

Result<void> write_vocabulary(const fs::path& folder, const HuggingFaceConfig& config,
                              const HuggingFaceTokenizer& tokenizer, const fs::path& out) {
  GgufWriter writer;
  add_model_metadata(writer, config, folder, FloatType::f32);
  STROP_CHECK(add_tokenizer(writer, tokenizer, config));
  STROP_CHECK(writer.begin(out));
  return writer.finish();
}

}  // namespace

Result<void> huggingface_to_gguf(const fs::path& folder, FloatType type,
                                 const Workspace& workspace) {
  STROP_TRY(const HuggingFaceConfig config, read_config(folder));
  STROP_CHECK(check_supported(config));
  STROP_TRY(const HuggingFaceTokenizer tokenizer, read_tokenizer(folder));
  STROP_TRY(const SafetensorsModel weights, read_safetensors_folder(folder));
  const std::vector<TensorPlan> plan = decoder_tensors(config);
  STROP_CHECK(refuse_unknown(weights, plan, config));

  GgufWriter writer;
  add_model_metadata(writer, config, folder, type);
  STROP_CHECK(add_tokenizer(writer, tokenizer, config));
  const auto stored = [&](const TensorPlan& tensor) {
    return tensor.shape.size() == 1 ? FloatType::f32 : type;
  };
  const auto ggml_type = [](FloatType t) -> const TensorType& {
    return *tensor_type(t == FloatType::f32 ? "f32" : t == FloatType::f16 ? "f16" : "bf16");
  };
  std::vector<float> factors;
  if (config.rope_scaling && config.rope_scaling->kind == "llama3") {
    factors = llama3_factors(config);
    writer.add_tensor("rope_freqs.weight", ggml_type(FloatType::f32), {factors.size()});
  }
  for (const TensorPlan& tensor : plan) {
    STROP_CHECK(expected_tensor(weights, tensor));
    writer.add_tensor(tensor.name, ggml_type(stored(tensor)),
                      {tensor.shape.rbegin(), tensor.shape.rend()});
  }
  STROP_CHECK(writer.begin(workspace.dir / "model.gguf"));
  if (!factors.empty())
    STROP_CHECK(writer.append(
        {reinterpret_cast<const char*>(factors.data()), factors.size() * sizeof(float)}));
  TensorCopy copier(writer, weights);
  for (std::size_t i = 0; i < plan.size(); ++i) {
    if (workspace.stop.stop_requested())
      return Error{.code = ErrorCode::cancelled, .message = "the conversion was cancelled"};
    if (workspace.progress)
      workspace.progress->report(static_cast<double>(i) / static_cast<double>(plan.size()),
                                 plan[i].name);
    STROP_TRY(const SafeTensor* tensor, expected_tensor(weights, plan[i]));
    STROP_CHECK(copier.copy(*tensor, plan[i], stored(plan[i])));
  }
  STROP_CHECK(writer.finish());
  return write_vocabulary(folder, config, tokenizer, workspace.dir / "vocab.gguf");
}

}  // namespace strop::convert
