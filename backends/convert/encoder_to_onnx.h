// A Hugging Face folder of a BERT-type text encoder -> ONNX in f32, of ONNX's own operators only,
// so that every engine opens it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "strop/backend.h"

namespace strop::convert {

// Writes model.onnx and model.onnx.data into workspace.dir. Inputs: input_ids, attention_mask,
// token_type_ids (i64 [batch, sequence]). Outputs: last_hidden_state (f32 [batch, sequence, width])
// and, where the folder's sentence-transformers files ask for the mean over tokens,
// sentence_embedding (f32 [batch, width]; of length 1 where they say so). The notes tell what was
// left out.
Result<std::vector<std::string>> encoder_to_onnx(const std::filesystem::path& folder,
                                                 const Workspace& workspace);

}  // namespace strop::convert
