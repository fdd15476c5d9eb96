// The forward pass of llama-type decoders in plain fp32, as the papers write it: RMSNorm (Zhang and
// Sennrich 2019), rotary positions on adjacent pairs (Su et al. 2021), grouped-query attention
// (Ainslie et al. 2023), SwiGLU (Shazeer 2020). It is the oracle that faster engines are compared
// with, so it favours being obviously right.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "strop/backend.h"

namespace strop::reference {

struct Shape {
  std::uint32_t vocabulary = 0;
  std::uint32_t width = 0;  // of the residual stream
  std::uint32_t layers = 0;
  std::uint32_t heads = 0;
  std::uint32_t kv_heads = 0;    // divides heads
  std::uint32_t head_width = 0;  // even
  std::uint32_t feed_forward = 0;
  std::uint32_t context = 0;  // longest sequence
  float norm_epsilon = 1e-5f;
  float rope_base = 10000.0f;
};

using Vector = std::vector<float>;  // matrices are row-major [outputs][inputs]

struct Layer {
  Vector attention_norm;     // [width]
  Vector query;              // [heads * head_width][width], rows paired for rotary positions
  Vector key;                // [kv_heads * head_width][width]
  Vector value;              // [kv_heads * head_width][width]
  Vector output;             // [width][heads * head_width]
  Vector feed_forward_norm;  // [width]
  Vector gate;               // [feed_forward][width]
  Vector up;                 // [feed_forward][width]
  Vector down;               // [width][feed_forward]
};

struct Weights {
  Shape shape;
  Vector embedding;  // [vocabulary][width]
  std::vector<Layer> layers;
  Vector norm;          // [width]
  Vector head;          // [vocabulary][width]; empty: tied to the embedding
  Vector rope_factors;  // [head_width / 2] divides each frequency; empty: ones
};

// Keys and values of one sequence, per layer [tokens][kv_heads * head_width].
struct Cache {
  std::vector<Vector> keys, values;
  std::uint32_t length = 0;
  void truncate(const Shape& shape, std::uint32_t tokens);
};

// Appends the token and writes the residual stream after the last layer into `hidden` [width].
void step(const Weights& weights, Cache& cache, TokenId token, std::span<float> hidden);

// Logits [vocabulary] of a residual stream.
void logits(const Weights& weights, std::span<const float> hidden, std::span<float> row);

}  // namespace strop::reference
