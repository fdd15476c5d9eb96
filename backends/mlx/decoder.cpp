#include "decoder.h"

#include <algorithm>
#include <cmath>

namespace strop::mlx {
namespace {

constexpr int kRoomStep = 256;  // tokens by which a cache grows

int whole(std::uint64_t number) { return static_cast<int>(number); }

// x [...][inputs] -> [...][outputs]
mx::array product(const mx::array& x, const Matrix& matrix) {
  if (!matrix.scales) return mx::matmul(x, mx::transpose(matrix.weight));
  return mx::quantized_matmul(x, matrix.weight, *matrix.scales, matrix.biases, true,
                              whole(matrix.grid.group), whole(matrix.grid.bits));
}

mx::array rows_of(const Matrix& matrix, const mx::array& rows) {
  auto weight = mx::take(matrix.weight, rows, 0);
  if (!matrix.scales) return weight;
  return mx::dequantize(weight, mx::take(*matrix.scales, rows, 0),
                        mx::take(*matrix.biases, rows, 0), whole(matrix.grid.group),
                        whole(matrix.grid.bits));
}

// [sequences][tokens][heads * width] -> [sequences][heads][tokens][width]
mx::array by_head(const mx::array& x, std::uint32_t heads, std::uint32_t width) {
  return mx::transpose(mx::reshape(x, {x.shape(0), x.shape(1), whole(heads), whole(width)}),
                       {0, 2, 1, 3});
}

mx::array rotated(const Weights& weights, const mx::array& heads, std::uint32_t position) {
  const auto& config = weights.config;
  const bool linear = config.rope_scaling && config.rope_scaling->kind == "linear";
  const float scale = linear ? static_cast<float>(1.0 / config.rope_scaling->factor) : 1.0f;
  const auto base =
      weights.rope_wavelengths ? std::nullopt : std::optional(static_cast<float>(config.rope_base));
  return mx::fast::rope(heads, whole(config.head_width), false, base, scale, whole(position),
                        weights.rope_wavelengths);
}

// Puts what is new after the first `length` tokens of the store and returns all of them.
mx::array appended(std::optional<mx::array>& store, const mx::array& fresh, int length) {
  const int sequences = fresh.shape(0), heads = fresh.shape(1), width = fresh.shape(3);
  const int total = length + fresh.shape(2);
  if (!store || store->shape(2) < total) {
    const int room = (total + kRoomStep - 1) / kRoomStep * kRoomStep;
    const int more = room - (store ? store->shape(2) : 0);
    const auto empty = mx::zeros({sequences, heads, more, width}, fresh.dtype());
    store = store ? mx::concatenate({*store, empty}, 2) : empty;
  }
  store = mx::slice_update(*store, fresh, mx::Shape{0, 0, length, 0},
                           mx::Shape{sequences, heads, total, width});
  return mx::slice(*store, {0, 0, 0, 0}, {sequences, heads, total, width});
}

mx::array attention(const Weights& weights, const Layer& layer, Cache& cache, std::size_t index,
                    const mx::array& x) {
  const auto& config = weights.config;
  const auto query = rotated(
      weights, by_head(product(x, layer.query), config.heads, config.head_width), cache.length);
  const auto key = rotated(
      weights, by_head(product(x, layer.key), config.kv_heads, config.head_width), cache.length);
  const auto value = by_head(product(x, layer.value), config.kv_heads, config.head_width);
  const auto keys = appended(cache.keys[index], key, whole(cache.length));
  const auto values = appended(cache.values[index], value, whole(cache.length));
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(config.head_width)));
  const auto attended = mx::fast::scaled_dot_product_attention(query, keys, values, scale,
                                                               x.shape(1) > 1 ? "causal" : "");
  const int width = whole(std::uint64_t{config.heads} * config.head_width);
  const auto joined =
      mx::reshape(mx::transpose(attended, {0, 2, 1, 3}), {x.shape(0), x.shape(1), width});
  return product(joined, layer.output);
}

mx::array feed_forward(const Layer& layer, const mx::array& x) {
  const auto gate = product(x, layer.gate);
  return product(mx::multiply(mx::multiply(gate, mx::sigmoid(gate)), product(x, layer.up)),
                 layer.down);
}

}  // namespace

mx::array forward(const Weights& weights, Cache& cache, std::span<const TokenId> ids,
                  std::size_t sequences) {
  cache.keys.resize(weights.layers.size());
  cache.values.resize(weights.layers.size());
  const auto epsilon = static_cast<float>(weights.config.norm_epsilon);
  const auto count = ids.size() / sequences;
  const mx::array tokens(ids.data(), {whole(sequences), whole(count)}, mx::int32);
  auto x = rows_of(weights.embedding, tokens);
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    const Layer& layer = weights.layers[i];
    x = mx::add(x, attention(weights, layer, cache, i,
                             mx::fast::rms_norm(x, layer.attention_norm, epsilon)));
    x = mx::add(x, feed_forward(layer, mx::fast::rms_norm(x, layer.feed_forward_norm, epsilon)));
  }
  x = mx::fast::rms_norm(x, weights.norm, epsilon);
  cache.length += static_cast<std::uint32_t>(count);
  // The cache too, or its graph would grow with every call.
  std::vector<mx::array> results{x};
  for (const auto* side : {&cache.keys, &cache.values}) {
    for (const auto& layer : *side) results.push_back(*layer);
  }
  mx::eval(results);
  return x;
}

mx::array logits(const Weights& weights, const mx::array& hidden,
                 std::span<const std::uint32_t> rows) {
  const mx::array wanted(rows.data(), {whole(rows.size())}, mx::uint32);
  const auto picked = mx::take(hidden, wanted, 1);
  const Matrix& head = weights.head ? *weights.head : weights.embedding;
  auto result = mx::contiguous(mx::astype(product(picked, head), mx::float32));
  result.eval();
  return result;
}

}  // namespace strop::mlx
