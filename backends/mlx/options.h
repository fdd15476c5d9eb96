// The run knobs of MLX: what they are called and what they may be.
#pragma once

#include <span>
#include <string>

#include "core/knobs.h"

namespace strop::mlx {

std::span<const KnobRule> knob_rules();

// The type to compute in: f32, f16, bf16, or empty for the folder's own. By default the folder's
// own on a GPU and f32 on a CPU, whose kernels sum in the type they compute in.
std::string precision_asked(const std::string& hint, bool on_gpu);

}  // namespace strop::mlx
