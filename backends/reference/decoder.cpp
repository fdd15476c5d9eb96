#include "decoder.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace strop::reference {
namespace {

float dot(const float* a, const float* b, std::size_t n) {
  // Eight lanes: the compiler may keep them in one register, and the sum loses less than a single
  // one would.
  float lanes[8] = {};
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (std::size_t lane = 0; lane < 8; ++lane) lanes[lane] += a[i + lane] * b[i + lane];
  }
  float sum = std::accumulate(std::begin(lanes), std::end(lanes), 0.0f);
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// y = W x
void multiply(const Vector& matrix, std::span<const float> x, std::span<float> y) {
  for (std::size_t row = 0; row < y.size(); ++row)
    y[row] = dot(matrix.data() + row * x.size(), x.data(), x.size());
}

Vector normalised(std::span<const float> x, const Vector& scale, float epsilon) {
  double squares = 0;
  for (float value : x) squares += double{value} * value;
  const auto factor =
      static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(x.size()) + epsilon));
  Vector result(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) result[i] = x[i] * factor * scale[i];
  return result;
}

// Turns each adjacent pair of every head by its position times the pair's frequency.
void rotate(std::span<float> heads, const Weights& weights, std::uint32_t position) {
  const Shape& shape = weights.shape;
  for (std::size_t begin = 0; begin < heads.size(); begin += shape.head_width) {
    for (std::uint32_t pair = 0; pair < shape.head_width / 2; ++pair) {
      const double factor = weights.rope_factors.empty() ? 1.0 : weights.rope_factors[pair];
      const double angle =
          position * std::pow(double{shape.rope_base}, -2.0 * pair / shape.head_width) / factor;
      const auto c = static_cast<float>(std::cos(angle)), s = static_cast<float>(std::sin(angle));
      float& x = heads[begin + std::size_t{2} * pair];
      float& y = heads[begin + std::size_t{2} * pair + 1];
      const float turned = x * c - y * s;
      y = x * s + y * c;
      x = turned;
    }
  }
}

void softmax(std::span<float> x) {
  const float top = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (float& value : x) sum += value = std::exp(value - top);
  for (float& value : x) value = static_cast<float>(value / sum);
}

// Each query head attends to the keys of its group; result [heads * head_width].
Vector attend(const Shape& shape, const Vector& query, const Vector& keys, const Vector& values) {
  const std::size_t kv_width = std::size_t{shape.kv_heads} * shape.head_width;
  const std::size_t tokens = keys.size() / kv_width;
  const std::uint32_t group = shape.heads / shape.kv_heads;
  const float scale = 1.0f / std::sqrt(static_cast<float>(shape.head_width));
  Vector result(query.size(), 0.0f);
  Vector weight(tokens);
  for (std::uint32_t head = 0; head < shape.heads; ++head) {
    const float* q = query.data() + std::size_t{head} * shape.head_width;
    const std::size_t kv_offset = std::size_t{head / group} * shape.head_width;
    for (std::size_t t = 0; t < tokens; ++t)
      weight[t] = scale * dot(q, keys.data() + t * kv_width + kv_offset, shape.head_width);
    softmax(weight);
    float* out = result.data() + std::size_t{head} * shape.head_width;
    for (std::size_t t = 0; t < tokens; ++t) {
      const float* v = values.data() + t * kv_width + kv_offset;
      for (std::uint32_t i = 0; i < shape.head_width; ++i) out[i] += weight[t] * v[i];
    }
  }
  return result;
}

void add(std::span<float> x, const Vector& y) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

}  // namespace

void Cache::truncate(const Shape& shape, std::uint32_t tokens) {
  const std::size_t kv_width = std::size_t{shape.kv_heads} * shape.head_width;
  for (auto* side : {&keys, &values}) {
    for (Vector& layer : *side) layer.resize(std::min(layer.size(), tokens * kv_width));
  }
  length = std::min(length, tokens);
}

void step(const Weights& weights, Cache& cache, TokenId token, std::span<float> hidden) {
  const Shape& shape = weights.shape;
  cache.keys.resize(shape.layers);
  cache.values.resize(shape.layers);
  const std::uint32_t position = cache.length++;
  std::copy_n(weights.embedding.begin() + std::ptrdiff_t{token} * shape.width, shape.width,
              hidden.begin());
  const std::size_t kv_width = std::size_t{shape.kv_heads} * shape.head_width;
  for (std::uint32_t l = 0; l < shape.layers; ++l) {
    const Layer& layer = weights.layers[l];
    const Vector x = normalised(hidden, layer.attention_norm, shape.norm_epsilon);
    Vector query(std::size_t{shape.heads} * shape.head_width), key(kv_width), value(kv_width);
    multiply(layer.query, x, query);
    multiply(layer.key, x, key);
    multiply(layer.value, x, value);
    rotate(query, weights, position);
    rotate(key, weights, position);
    cache.keys[l].insert(cache.keys[l].end(), key.begin(), key.end());
    cache.values[l].insert(cache.values[l].end(), value.begin(), value.end());
    const Vector attended = attend(shape, query, cache.keys[l], cache.values[l]);
    Vector change(shape.width);
    multiply(layer.output, attended, change);
    add(hidden, change);

    const Vector y = normalised(hidden, layer.feed_forward_norm, shape.norm_epsilon);
    Vector gate(shape.feed_forward), up(shape.feed_forward);
    multiply(layer.gate, y, gate);
    multiply(layer.up, y, up);
    for (std::size_t i = 0; i < gate.size(); ++i)
      gate[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
    multiply(layer.down, gate, change);
    add(hidden, change);
  }
}

void logits(const Weights& weights, std::span<const float> hidden, std::span<float> row) {
  const Vector x = normalised(hidden, weights.norm, weights.shape.norm_epsilon);
  multiply(weights.head.empty() ? weights.embedding : weights.head, x, row);
}

}  // namespace strop::reference
