#include "encoder_source.h"

namespace strop::convert {
namespace {

using namespace formats;

constexpr const char* kTokenTypes = "embeddings.token_type_embeddings.weight";

Result<void> check_supported(const HuggingFaceConfig& config) {
  if (config.architecture != "BertModel")
    return unsupported_config("architectures", "must be BertModel", config.architecture);
  STROP_CHECK(check_sizes_stated(config));
  if (config.activation != "gelu")
    return unsupported_config("hidden_act", "must be gelu", config.activation);
  if (config.width != config.heads * config.head_width)
    return unsupported_config("hidden_size", "must be num_attention_heads times the heads' width",
                              str(config.width));
  return {};
}

std::uint32_t token_types_of(const SafetensorsModel& weights) {
  const SafeTensor* table = weights.find(kTokenTypes);
  return table && !table->shape.empty() ? static_cast<std::uint32_t>(table->shape[0]) : 1;
}

// Positions and segments stay in f32 whatever the matrices get, as in llama.cpp's own converter.
std::vector<TensorPlan> encoder_tensors(const HuggingFaceConfig& config,
                                        std::uint32_t token_types) {
  const std::uint64_t width = config.width, inner = config.feed_forward;
  std::vector<TensorPlan> plan{
      {"embeddings.word_embeddings.weight", "token_embd.weight", {config.vocabulary, width}},
      {"embeddings.position_embeddings.weight",
       "position_embd.weight",
       {config.context, width},
       0,
       true},
      {kTokenTypes, "token_types.weight", {token_types, width}, 0, true}};
  const auto norm = [&](const std::string& source, const std::string& name) {
    for (const char* part : {".weight", ".bias"})
      plan.push_back({source + part, name + part, {width}});
  };
  const auto linear = [&](const std::string& source, const std::string& name, std::uint64_t from,
                          std::uint64_t to) {
    plan.push_back({source + ".weight", name + ".weight", {to, from}});
    plan.push_back({source + ".bias", name + ".bias", {to}});
  };
  norm("embeddings.LayerNorm", "token_embd_norm");
  for (std::uint32_t layer = 0; layer < config.layers; ++layer) {
    const std::string source = str("encoder.layer.", layer, "."), name = str("blk.", layer, ".");
    linear(source + "attention.self.query", name + "attn_q", width, width);
    linear(source + "attention.self.key", name + "attn_k", width, width);
    linear(source + "attention.self.value", name + "attn_v", width, width);
    linear(source + "attention.output.dense", name + "attn_output", width, width);
    norm(source + "attention.output.LayerNorm", name + "attn_output_norm");
    linear(source + "intermediate.dense", name + "ffn_up", width, inner);
    linear(source + "output.dense", name + "ffn_down", inner, width);
    norm(source + "output.LayerNorm", name + "layer_output_norm");
  }
  return plan;
}

std::set<std::string> known_names(const EncoderSource& source) {
  std::set<std::string> known{"embeddings.position_ids", "pooler.dense.weight",
                              "pooler.dense.bias"};
  for (const TensorPlan& tensor : source.plan) known.insert(tensor.source);
  return known;
}

}  // namespace

Result<EncoderSource> read_encoder(const std::filesystem::path& folder) {
  EncoderSource source;
  STROP_TRY(source.config, read_config(folder));
  STROP_CHECK(check_supported(source.config));
  STROP_TRY(source.pooling, read_sentence_pooling(folder));
  STROP_TRY(source.weights, read_safetensors_folder(folder));
  source.token_types = token_types_of(source.weights);
  source.plan = encoder_tensors(source.config, source.token_types);
  for (const TensorPlan& tensor : source.plan) STROP_CHECK(expected_tensor(source.weights, tensor));
  STROP_CHECK(refuse_unknown(source.weights, known_names(source), "a BERT-type encoder"));
  return source;
}

}  // namespace strop::convert
