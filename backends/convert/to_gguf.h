// A Hugging Face folder of a llama-type decoder -> GGUF, tensor by tensor, with memory for one
// tensor at most.
#pragma once

#include <filesystem>

#include "floats.h"
#include "strop/backend.h"

namespace strop::convert {

// Writes model.gguf and the vocabulary-only vocab.gguf into workspace.dir. Tensors are those of
// llama.cpp's own converter, byte for byte: matrices in `type`, vectors in f32.
Result<void> huggingface_to_gguf(const std::filesystem::path& folder, FloatType type,
                                 const Workspace& workspace);

}  // namespace strop::convert
