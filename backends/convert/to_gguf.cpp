#include "to_gguf.h"

#include <algorithm>

#include "formats/gguf.h"
#include "gguf_tensors.h"

namespace fs = std::filesystem;

namespace strop::convert {
namespace {

using namespace formats;

// Token types of GGUF's tokenizer.ggml.token_type.
enum TokenType : std::int32_t { normal = 1, control = 3, user_defined = 4, unused = 5 };
void add_model_metadata(GgufWriter& writer, const HuggingFaceConfig& config, const fs::path& folder,
                        FloatType type) {
  add_identity(writer, "llama", folder);
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

  GgufWriter writer;
  add_model_metadata(writer, config, folder, type);
  STROP_CHECK(add_tokenizer(writer, source.tokenizer, config));
  const std::vector<float> factors = rotary_factors(config);
  if (!factors.empty()) {
    writer.add_tensor("rope_freqs.weight", ggml_type(FloatType::f32), {factors.size()});
  }
  declare_tensors(writer, source.plan, type);
  STROP_CHECK(writer.begin(workspace.dir / "model.gguf"));
  if (!factors.empty())
    STROP_CHECK(writer.append(
        {reinterpret_cast<const char*>(factors.data()), factors.size() * sizeof(float)}));
  STROP_CHECK(append_tensors(writer, source.weights, source.packed, source.plan, type, workspace));
  STROP_CHECK(writer.finish());
  return write_vocabulary(source, folder, workspace.dir / "vocab.gguf");
}

}  // namespace strop::convert
