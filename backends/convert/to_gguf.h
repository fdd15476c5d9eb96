// A Hugging Face or MLX folder of a llama-type decoder -> GGUF, tensor by tensor, with memory for
// one tensor at most.
#pragma once

#include <filesystem>

#include "decoder_source.h"
#include "floats.h"
#include "strop/backend.h"

namespace strop::convert {

// Writes model.gguf and the vocabulary-only vocab.gguf into workspace.dir. Tensors are those of
// llama.cpp's own converter, byte for byte: matrices in `type`, vectors in f32. Matrices
// of an MLX folder are scale * q + bias, computed in f32.
Result<void> huggingface_to_gguf(const std::filesystem::path& folder, FloatType type,
                                 const Workspace& workspace);

// The vocabulary alone, as metadata of a GGUF file without tensors.
Result<void> write_vocabulary(const DecoderSource& source, const std::filesystem::path& folder,
                              const std::filesystem::path& out);

}  // namespace strop::convert
