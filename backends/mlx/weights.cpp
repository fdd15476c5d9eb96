// An MLX folder -> arrays, bounded and checked.
#include <cmath>
#include <cstring>

#include "core/half.h"
#include "core/stop.h"
#include "decoder.h"
#include "formats/mlx.h"
#include "formats/safetensors.h"

namespace fs = std::filesystem;

namespace strop::mlx {
namespace {

using namespace formats;

Error unsupported(const std::string& field, const std::string& rule, const std::string& value) {
  return Error{.code = ErrorCode::unsupported,
               .message = str("[mlx] config.json: ", field, " ", rule, ", but is ", value, "."),
               .field = field,
               .value = value};
}

Result<void> check_config(const HuggingFaceConfig& config) {
  if (config.architecture != "LlamaForCausalLM" && config.architecture != "MistralForCausalLM")
    return unsupported("architectures", "must be LlamaForCausalLM or MistralForCausalLM",
                       config.architecture);
  if (const auto field = unstated_size(config))
    return unsupported(*field, "must be stated", "missing");
  if (config.head_width % 2 != 0)
    return unsupported("head_dim", "must be even", str(config.head_width));
  if (config.activation != "silu")
    return unsupported("hidden_act", "must be silu", config.activation);
  if (config.attention_bias || config.mlp_bias)
    return unsupported("attention_bias and mlp_bias", "must be false", "true");
  if (config.experts)
    return unsupported("num_local_experts", "must be absent", str(*config.experts));
  if (config.sliding_window && *config.sliding_window < config.context)
    return unsupported("sliding_window", "must not be below the context",
                       str(*config.sliding_window));
  if (config.rope_scaling && config.rope_scaling->kind != "linear" &&
      config.rope_scaling->kind != "llama3")
    return unsupported("rope_scaling.rope_type", "must be linear or llama3",
                       config.rope_scaling->kind);
  return {};
}

Error misshapen(const std::string& name, const std::string& rule) {
  return Error{.code = ErrorCode::corrupt,
               .message = str("[mlx] the tensor ", name, " ", rule, "."),
               .hint = "The folder is damaged, or its config.json is of another model.",
               .field = name};
}

// The tensor's bytes in MLX's memory.
mx::array array_of(const SafeTensor& tensor) {
  auto memory = mx::allocator::malloc(tensor.data.size());
  std::memcpy(memory.buffer().raw_ptr(), tensor.data.data(), tensor.data.size());
  mx::Shape shape;
  for (const std::uint64_t dimension : tensor.shape)
    shape.push_back(static_cast<mx::ShapeElem>(dimension));
  const mx::Dtype type = tensor.type == "u32" ? mx::uint32 : dtype_of(tensor.type);
  return mx::array(std::move(memory), std::move(shape), type);
}

class Loader {
 public:
  Loader(const SafetensorsModel& weights, const std::map<std::string, MlxMatrix>& packed,
         mx::Dtype type)
      : weights_(weights), packed_(packed), type_(type) {}

  Result<mx::array> vector(const std::string& name, std::uint64_t size) const {
    STROP_TRY(const SafeTensor* tensor, whole(name, {size}));
    return taken(*tensor);
  }

  Result<Matrix> matrix(const std::string& module, std::uint64_t rows,
                        std::uint64_t columns) const {
    const std::string name = module + ".weight";
    const auto found = packed_.find(name);
    if (found == packed_.end()) {
      STROP_TRY(const SafeTensor* tensor, whole(name, {rows, columns}));
      return Matrix{.weight = taken(*tensor)};
    }
    const MlxMatrix& packed = found->second;
    if (packed.rows != rows || packed.columns != columns)
      return misshapen(name, str("must hold ", rows, "x", columns, " values, but holds ",
                                 packed.rows, "x", packed.columns));
    return Matrix{taken(packed.weight), taken(packed.scales), taken(packed.biases), packed.grid};
  }

 private:
  Result<const SafeTensor*> whole(const std::string& name,
                                  const std::vector<std::uint64_t>& shape) const {
    const SafeTensor* tensor = weights_.find(name);
    if (!tensor) return misshapen(name, "is missing");
    if (tensor->shape != shape || !is_float(tensor->type))
      return misshapen(name, "is not of the shape that config.json states, or of no float type");
    return tensor;
  }

  mx::array taken(const SafeTensor& tensor) const {
    auto array = array_of(tensor);
    if (tensor.type != "u32") array = mx::astype(array, type_);
    array.eval();
    weights_.files[tensor.file].release(tensor.data);
    return array;
  }

  const SafetensorsModel& weights_;
  const std::map<std::string, MlxMatrix>& packed_;
  mx::Dtype type_;
};

Result<Layer> read_layer(const Loader& loader, const HuggingFaceConfig& config,
                         std::uint32_t index) {
  const std::string name = str("model.layers.", index, ".");
  const std::uint64_t width = config.width, inner = config.feed_forward,
                      heads = std::uint64_t{config.heads} * config.head_width,
                      kv = std::uint64_t{config.kv_heads} * config.head_width;
  STROP_TRY(auto attention_norm, loader.vector(name + "input_layernorm.weight", width));
  STROP_TRY(auto query, loader.matrix(name + "self_attn.q_proj", heads, width));
  STROP_TRY(auto key, loader.matrix(name + "self_attn.k_proj", kv, width));
  STROP_TRY(auto value, loader.matrix(name + "self_attn.v_proj", kv, width));
  STROP_TRY(auto output, loader.matrix(name + "self_attn.o_proj", width, heads));
  STROP_TRY(auto norm, loader.vector(name + "post_attention_layernorm.weight", width));
  STROP_TRY(auto gate, loader.matrix(name + "mlp.gate_proj", inner, width));
  STROP_TRY(auto up, loader.matrix(name + "mlp.up_proj", inner, width));
  STROP_TRY(auto down, loader.matrix(name + "mlp.down_proj", width, inner));
  return Layer{attention_norm, query, key, value, output, norm, gate, up, down};
}

// MLX wants wavelengths / 2 pi: base^(2 i / head_width), times what slows the pair down.
std::optional<mx::array> wavelengths(const HuggingFaceConfig& config) {
  const std::vector<float> factors = rotary_factors(config);
  if (factors.empty()) return std::nullopt;
  std::vector<float> lengths;
  for (std::size_t pair = 0; pair < factors.size(); ++pair) {
    const double exponent = 2.0 * static_cast<double>(pair) / config.head_width;
    lengths.push_back(static_cast<float>(std::pow(config.rope_base, exponent) * factors[pair]));
  }
  return mx::array(lengths.data(), {static_cast<mx::ShapeElem>(lengths.size())}, mx::float32);
}

}  // namespace

Result<Weights> read_weights(const fs::path& folder, const std::string& type,
                             const std::stop_token& stop) {
  STROP_TRY(const HuggingFaceConfig config, read_config(folder));
  STROP_CHECK(check_config(config));
  STROP_TRY(const SafetensorsModel tensors, read_safetensors_folder(folder));
  STROP_TRY(const auto quantization, read_mlx_quantization(folder));
  std::map<std::string, MlxMatrix> packed;
  if (quantization) {
    STROP_TRY(packed, read_mlx_matrices(*quantization, tensors));
  }
  const SafeTensor* norm = tensors.find("model.norm.weight");
  if (!norm || !is_float(norm->type)) return misshapen("model.norm.weight", "is missing");
  const Loader loader(tensors, packed, dtype_of(type.empty() ? norm->type : type));
  STROP_TRY(auto embedding, loader.matrix("model.embed_tokens", config.vocabulary, config.width));
  STROP_TRY(auto last_norm, loader.vector("model.norm.weight", config.width));
  const auto computed = last_norm.dtype();
  Weights weights{.config = config,
                  .type = computed,
                  .embedding = std::move(embedding),
                  .norm = std::move(last_norm),
                  .rope_wavelengths = wavelengths(config)};
  for (std::uint32_t i = 0; i < config.layers; ++i) {
    STROP_CHECK(check_stop(stop));
    STROP_TRY(Layer layer, read_layer(loader, config, i));
    weights.layers.push_back(std::move(layer));
  }
  if (!config.tied_embeddings) {
    STROP_TRY(weights.head, loader.matrix("lm_head", config.vocabulary, config.width));
  }
  return weights;
}

}  // namespace strop::mlx
