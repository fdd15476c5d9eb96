#include "weights.h"

#include <cstring>

#include "core/half.h"
#include "formats/gguf.h"

namespace strop::reference {
namespace {

using formats::GgufFile;
using formats::GgufTensor;

template <class Stored, class Widen>
Vector widened(std::string_view data, Widen widen) {
  Vector values(data.size() / sizeof(Stored));
  for (std::size_t i = 0; i < values.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, data.data() + i * sizeof stored, sizeof stored);
    values[i] = widen(stored);
  }
  return values;
}

Error refuse(ErrorCode code, const std::string& name, const std::string& rule) {
  return Error{.code = code, .message = str("[reference] ", name, " ", rule), .field = name};
}

class Reader {
 public:
  explicit Reader(const GgufFile& file) : file_(file) {}

  Result<Vector> tensor(const std::string& name, std::uint64_t row, std::uint64_t rows) const {
    const GgufTensor* found = file_.tensor(name);
    if (!found) return refuse(ErrorCode::corrupt, name, "is missing");
    if (found->shape[0] != row || found->elements() != row * rows)
      return refuse(ErrorCode::corrupt, name, str("must have ", rows, " rows of ", row));
    const std::string_view type = found->type->name;
    if (type == "f32") return widened<float>(found->data, [](float x) { return x; });
    if (type == "f16") return widened<std::uint16_t>(found->data, from_f16);
    if (type == "bf16") return widened<std::uint16_t>(found->data, from_bf16);
    return refuse(ErrorCode::unsupported, name, str("must be f32, f16 or bf16, but is ", type));
  }

  Result<std::uint32_t> count(const std::string& key, std::uint64_t most) const {
    const auto value = file_.count("llama." + key);
    if (!value || *value < 1 || *value > most)
      return refuse(ErrorCode::corrupt, "llama." + key, str("must be from 1 to ", most));
    return static_cast<std::uint32_t>(*value);
  }

  double real(const std::string& key, double absent) const {
    return file_.real("llama." + key).value_or(absent);
  }
  bool has(const std::string& name) const { return file_.tensor(name) != nullptr; }

 private:
  const GgufFile& file_;
};

constexpr std::uint64_t kMost = 1u << 24;

Result<Shape> read_shape(const GgufFile& file) {
  if (file.text("general.architecture") != "llama")
    return refuse(ErrorCode::unsupported, "general.architecture", "must be llama");
  const Reader reader(file);
  Shape shape;
  STROP_TRY(shape.width, reader.count("embedding_length", kMost));
  STROP_TRY(shape.layers, reader.count("block_count", 4096));
  STROP_TRY(shape.heads, reader.count("attention.head_count", 4096));
  STROP_TRY(shape.kv_heads, reader.count("attention.head_count_kv", 4096));
  STROP_TRY(shape.head_width, reader.count("rope.dimension_count", 4096));
  STROP_TRY(shape.feed_forward, reader.count("feed_forward_length", kMost));
  STROP_TRY(shape.context, reader.count("context_length", kMost));
  if (shape.heads % shape.kv_heads != 0 || shape.head_width % 2 != 0)
    return refuse(ErrorCode::corrupt, "attention.head_count_kv",
                  "must divide the heads, whose width must be even");
  shape.norm_epsilon = static_cast<float>(reader.real("attention.layer_norm_rms_epsilon", 1e-5));
  shape.rope_base = static_cast<float>(reader.real("rope.freq_base", 10000));
  const GgufTensor* embedding = file.tensor("token_embd.weight");
  if (!embedding || embedding->shape.size() != 2)
    return refuse(ErrorCode::corrupt, "token_embd.weight", "is missing");
  shape.vocabulary = static_cast<std::uint32_t>(embedding->shape[1]);
  return shape;
}

Result<Layer> read_layer(const Reader& reader, const Shape& shape, std::uint32_t index) {
  const std::string name = str("blk.", index, ".");
  const std::uint64_t width = shape.width, query = std::uint64_t{shape.heads} * shape.head_width;
  const std::uint64_t kv = std::uint64_t{shape.kv_heads} * shape.head_width,
                      inner = shape.feed_forward;
  Layer layer;
  STROP_TRY(layer.attention_norm, reader.tensor(name + "attn_norm.weight", width, 1));
  STROP_TRY(layer.query, reader.tensor(name + "attn_q.weight", width, query));
  STROP_TRY(layer.key, reader.tensor(name + "attn_k.weight", width, kv));
  STROP_TRY(layer.value, reader.tensor(name + "attn_v.weight", width, kv));
  STROP_TRY(layer.output, reader.tensor(name + "attn_output.weight", query, width));
  STROP_TRY(layer.feed_forward_norm, reader.tensor(name + "ffn_norm.weight", width, 1));
  STROP_TRY(layer.gate, reader.tensor(name + "ffn_gate.weight", width, inner));
  STROP_TRY(layer.up, reader.tensor(name + "ffn_up.weight", width, inner));
  STROP_TRY(layer.down, reader.tensor(name + "ffn_down.weight", inner, width));
  return layer;
}

}  // namespace

Result<Weights> read_weights(const std::filesystem::path& path) {
  STROP_TRY(const GgufFile file, GgufFile::open(path));
  const Reader reader(file);
  Weights weights;
  STROP_TRY(weights.shape, read_shape(file));
  const Shape& shape = weights.shape;
  STROP_TRY(weights.embedding, reader.tensor("token_embd.weight", shape.width, shape.vocabulary));
  for (std::uint32_t i = 0; i < shape.layers; ++i) {
    STROP_TRY(Layer layer, read_layer(reader, shape, i));
    weights.layers.push_back(std::move(layer));
  }
  STROP_TRY(weights.norm, reader.tensor("output_norm.weight", shape.width, 1));
  if (reader.has("output.weight")) {
    STROP_TRY(weights.head, reader.tensor("output.weight", shape.width, shape.vocabulary));
  }
  if (reader.has("rope_freqs.weight")) {
    STROP_TRY(weights.rope_factors, reader.tensor("rope_freqs.weight", shape.head_width / 2, 1));
  }
  return weights;
}

}  // namespace strop::reference
