#include "decoder_source.h"

#include <set>

#include "floats.h"

namespace strop::convert {
namespace {

using namespace formats;

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

Result<void> check_match(const HuggingFaceTokenizer& tokenizer, const HuggingFaceConfig& config) {
  if (tokenizer.tokens.size() > config.vocabulary) {
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("[optimize] the tokenizer has ", tokenizer.tokens.size(),
                                " words, but the model's vocabulary ", config.vocabulary),
                 .hint = "Tokenizer and weights are of different models; fetch the folder again.",
                 .field = "vocab_size",
                 .value = str(config.vocabulary)};
  }
  return {};
}

using Packed = std::map<std::string, MlxMatrix>;

Result<void> refuse_unknown(const SafetensorsModel& weights, const Packed& packed,
                            const std::vector<TensorPlan>& plan, const HuggingFaceConfig& config) {
  std::set<std::string> known;
  for (const auto& [name, matrix] : packed) known.insert({matrix.scales.name, matrix.biases.name});
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

Error refused(const TensorPlan& plan, const std::string& rule) {
  return Error{.code = ErrorCode::invalid_input,
               .message = str("[optimize] the tensor ", plan.source, " ", rule),
               .field = plan.source};
}

Result<void> expect_shape(const TensorPlan& plan, const std::vector<std::uint64_t>& shape) {
  if (shape == plan.shape) return {};
  std::string expected, got;
  for (std::uint64_t d : plan.shape) expected += str(expected.empty() ? "" : "x", d);
  for (std::uint64_t d : shape) got += str(got.empty() ? "" : "x", d);
  return refused(plan, str("must be ", expected, " by config.json, but is ", got));
}

Result<void> check_there(const DecoderSource& source, const TensorPlan& plan) {
  const auto packed = source.packed.find(plan.source);
  if (packed != source.packed.end())
    return expect_shape(plan, {packed->second.rows, packed->second.columns});
  STROP_CHECK(expected_tensor(source.weights, plan));
  return {};
}

}  // namespace

Result<const SafeTensor*> expected_tensor(const SafetensorsModel& weights, const TensorPlan& plan) {
  const SafeTensor* tensor = weights.find(plan.source);
  if (!tensor) return refused(plan, "is missing");
  STROP_CHECK(expect_shape(plan, tensor->shape));
  if (!float_type(tensor->type))
    return refused(plan, str("must be f32, f16 or bf16, but is ", tensor->type));
  return tensor;
}

Result<DecoderSource> read_decoder(const std::filesystem::path& folder) {
  DecoderSource source;
  STROP_TRY(source.config, read_config(folder));
  STROP_CHECK(check_supported(source.config));
  STROP_TRY(source.tokenizer, read_tokenizer(folder));
  STROP_CHECK(check_match(source.tokenizer, source.config));
  STROP_TRY(source.weights, read_safetensors_folder(folder));
  STROP_TRY(const auto quantization, read_mlx_quantization(folder));
  if (quantization) {
    STROP_TRY(source.packed, read_mlx_matrices(*quantization, source.weights));
  }
  source.plan = decoder_tensors(source.config);
  STROP_CHECK(refuse_unknown(source.weights, source.packed, source.plan, source.config));
  for (const TensorPlan& tensor : source.plan) STROP_CHECK(check_there(source, tensor));
  return source;
}

}  // namespace strop::convert
