// A Hugging Face folder of a BERT-type encoder -> GGUF, tensor by tensor.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "floats.h"
#include "strop/backend.h"

namespace strop::convert {

// Writes model.gguf and the vocabulary-only vocab.gguf into workspace.dir. Tensors are those of
// llama.cpp's own converter, byte for byte: matrices in `type`; vectors, positions and segments in
// f32. How tokens become one vector is in bert.pooling_type and, a key of our own,
// strop.sentence.normalise. Returns notes about what the folder asks for and the file lacks.
Result<std::vector<std::string>> encoder_to_gguf(const std::filesystem::path& folder,
                                                 FloatType type, const Workspace& workspace);

}  // namespace strop::convert
