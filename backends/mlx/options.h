// The run options of MLX: what they are called, what they may be, and the values in force.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "strop/recipe.h"
#include "strop/result.h"

namespace strop::mlx {

struct Options {
  std::string precision_hint;  // f32, f16, bf16; empty: the folder's own
  std::uint32_t context = 0;   // tokens of a sequence; 0: as many as the model allows
};

// `on_gpu` decides what the default precision is: MLX's CPU kernels sum in the type they compute
// in, which is too coarse in 16 bits. An unknown name or value is invalid_input.
Result<Options> parse_options(const RunOptions& given, bool on_gpu);

std::vector<Knob> run_knobs();

}  // namespace strop::mlx
