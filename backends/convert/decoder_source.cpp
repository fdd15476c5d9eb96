#include "decoder_source.h"

#include <set>

namespace strop::convert {
namespace {

using namespace formats;

Result<void> check_supported(const HuggingFaceConfig& config) {
  if (config.architecture != "LlamaForCausalLM" && config.architecture != "MistralForCausalLM")
    return unsupported_config("architectures",
                              "must be LlamaForCausalLM or MistralForCausalLM to be converted",
                              config.architecture);
  STROP_CHECK(check_sizes_stated(config));
  if (config.sliding_window && *config.sliding_window < config.context)
    return unsupported_config("sliding_window",
                              str("must not be below the context of ", config.context),
                              str(*config.sliding_window));
  if (config.activation != "silu")
    return unsupported_config("hidden_act", "must be silu", config.activation);
  if (config.attention_bias || config.mlp_bias)
    return unsupported_config("attention_bias and mlp_bias", "must be false", "true");
  if (config.experts)
    return unsupported_config("num_local_experts", "must be absent", str(*config.experts));
  if (config.head_width % 2 != 0)
    return unsupported_config("head_dim", "must be even", str(config.head_width));
  if (config.rope_scaling && config.rope_scaling->kind == "llama3" &&
      config.rope_scaling->original_context == 0)
    return unsupported_config("rope_scaling.original_max_position_embeddings", "must be stated",
                              "missing");
  if (config.rope_scaling && config.rope_scaling->kind != "linear" &&
      config.rope_scaling->kind != "llama3")
    return unsupported_config("rope_scaling.rope_type", "must be linear or llama3",
                              config.rope_scaling->kind);
  return {};
}

std::set<std::string> known_names(const DecoderSource& source) {
  std::set<std::string> known;
  for (const auto& [name, matrix] : source.packed)
    known.insert({matrix.scales.name, matrix.biases.name});
  for (const TensorPlan& one : source.plan) known.insert(one.source);
  if (source.config.tied_embeddings)
    known.insert("lm_head.weight");  // a second copy of the embedding
  for (const SafeTensor& tensor : source.weights.tensors)
    if (is_ignored(tensor.name)) known.insert(tensor.name);
  return known;
}

Result<void> check_there(const DecoderSource& source, const TensorPlan& plan) {
  const auto packed = source.packed.find(plan.source);
  if (packed != source.packed.end())
    return expect_shape(plan, {packed->second.rows, packed->second.columns});
  STROP_CHECK(expected_tensor(source.weights, plan));
  return {};
}

}  // namespace

Result<DecoderSource> read_decoder(const std::filesystem::path& folder) {
  DecoderSource source;
  STROP_TRY(source.config, read_config(folder));
  STROP_CHECK(check_supported(source.config));
  STROP_TRY(source.tokenizer, read_tokenizer(folder));
  STROP_CHECK(check_vocabulary(source.tokenizer.tokens.size(), source.config));
  STROP_TRY(source.weights, read_safetensors_folder(folder));
  STROP_TRY(const auto quantization, read_mlx_quantization(folder));
  if (quantization) {
    STROP_TRY(source.packed, read_mlx_matrices(*quantization, source.weights));
  }
  source.plan = decoder_tensors(source.config);
  STROP_CHECK(refuse_unknown(source.weights, known_names(source), "a llama-type decoder"));
  for (const TensorPlan& tensor : source.plan) STROP_CHECK(check_there(source, tensor));
  return source;
}

}  // namespace strop::convert
