// The forward pass of llama-type decoders on MLX's operations: RMSNorm, rotary positions on halves
// of a head, grouped-query attention, SwiGLU.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "engine.h"
#include "formats/affine.h"
#include "formats/huggingface.h"
#include "strop/backend.h"

namespace strop::mlx {

// A matrix [outputs][inputs], whole or on its grid.
struct Matrix {
  mx::array weight;
  std::optional<mx::array> scales, biases;
  formats::AffineGrid grid;
};

struct Layer {
  mx::array attention_norm;
  Matrix query, key, value, output;
  mx::array feed_forward_norm;
  Matrix gate, up, down;
};

struct Weights {
  formats::HuggingFaceConfig config;
  mx::Dtype type;  // of the computation
  Matrix embedding;
  std::vector<Layer> layers;
  mx::array norm;
  std::optional<Matrix> head;                 // nothing: the embedding
  std::optional<mx::array> rope_wavelengths;  // [head_width / 2] where positions are rescaled
};

// Keys and values, per layer [sequences][kv_heads][room][head_width], of one sequence or of several
// of the same length. A copy is cheap: the arrays are shared until one side writes.
struct Cache {
  std::vector<std::optional<mx::array>> keys, values;
  std::uint32_t length = 0;
};

// Reads an MLX folder, or a Hugging Face folder that is not quantised. Everything is checked
// against config.json before MLX sees it. `type` is what to compute in; empty: the folder's own.
Result<Weights> read_weights(const std::filesystem::path& folder, const std::string& type,
                             const std::stop_token& stop);

// Appends ids [sequences][tokens]. Returns what comes after the last layer, normalised
// [sequences][tokens][width].
mx::array forward(const Weights& weights, Cache& cache, std::span<const TokenId> ids,
                  std::size_t sequences);

// Logits f32 [sequences][rows][vocabulary] of some of the positions that forward gave.
mx::array logits(const Weights& weights, const mx::array& hidden,
                 std::span<const std::uint32_t> rows);

}  // namespace strop::mlx
