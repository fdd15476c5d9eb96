// MLX folders: a Hugging Face folder whose matrices are stored as small integers with a scale and a
// bias per group, as mlx-lm writes them. X.weight becomes X.weight (packed, u32), X.scales and
// X.biases; `quantization` of config.json tells the grid, for single modules by their name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "formats/affine.h"
#include "formats/safetensors.h"
#include "strop/result.h"

namespace strop::formats {

struct MlxQuantization {
  AffineGrid grid;
  // Those that differ, by module (model.layers.0.mlp.down_proj); empty: stored whole.
  std::map<std::string, std::optional<AffineGrid>> modules;
};

// What config.json says; empty when the folder is no MLX folder. Refuses other modes than affine.
Result<std::optional<MlxQuantization>> read_mlx_quantization(const std::filesystem::path& folder);

// A matrix on its grid. Values [rows][columns]; scales and biases [rows][columns / group].
struct MlxMatrix {
  SafeTensor weight, scales, biases;
  AffineGrid grid;
  std::uint64_t rows = 0, columns = 0;
};

// By the name of the packed tensor; those not in it are stored whole. Refuses scales without their
// weight, shapes that do not fit the stated grid, and types that MLX does not have.
Result<std::map<std::string, MlxMatrix>> read_mlx_matrices(const MlxQuantization& quantization,
                                                           const SafetensorsModel& weights);

// Layers whose value and down projections mlx-lm's mixed recipes give more bits: the first and the
// last eighth, and every third between.
bool is_sensitive_layer(std::uint32_t layer, std::uint32_t layers);

}  // namespace strop::formats
