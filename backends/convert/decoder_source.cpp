#include "decoder_source.h"

#include <cmath>
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

}  // namespace

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

std::vector<float> rotary_factors(const HuggingFaceConfig& config) {
  if (!config.rope_scaling || config.rope_scaling->kind != "llama3") return {};
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

Result<DecoderSource> read_decoder(const std::filesystem::path& folder) {
  STROP_TRY(HuggingFaceConfig config, read_config(folder));
  STROP_CHECK(check_supported(config));
  STROP_TRY(HuggingFaceTokenizer tokenizer, read_tokenizer(folder));
  STROP_TRY(SafetensorsModel weights, read_safetensors_folder(folder));
  std::vector<TensorPlan> plan = decoder_tensors(config);
  STROP_CHECK(refuse_unknown(weights, plan, config));
  for (const TensorPlan& tensor : plan) STROP_CHECK(expected_tensor(weights, tensor));
  return DecoderSource{std::move(config), std::move(tokenizer), std::move(weights),
                       std::move(plan)};
}

}  // namespace strop::convert
