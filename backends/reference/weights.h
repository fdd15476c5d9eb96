// Weights of a llama-type GGUF, widened to fp32.
#pragma once

#include <filesystem>

#include "decoder.h"

namespace strop::reference {

// Takes tensors of type f32, f16 and bf16; refuses quantised ones and other architectures with
// unsupported, a missing or misshapen tensor with corrupt.
Result<Weights> read_weights(const std::filesystem::path& gguf);

}  // namespace strop::reference
