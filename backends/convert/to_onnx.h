// A Hugging Face folder of a llama-type decoder -> ONNX as ONNX Runtime's own model builder lays it
// out, so that onnxruntime-genai loads the folder as it is; a few megabytes of weights at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "block_quantize.h"
#include "floats.h"
#include "strop/artifact.h"
#include "strop/backend.h"

namespace strop::convert {

// How matrices are kept; vectors and everything computed are f32.
struct OnnxOptions {
  FloatType floats = FloatType::f32;  // f32 or f16, where blocks is empty
  std::optional<BlockFormat> blocks;  // f32 scales
  std::uint32_t embedding_bits = 0;   // of the embedding and the output's matrix, where blocks is
  std::int64_t accuracy_level = 4;    // of MatMulNBits: 4 multiplies in int8, 1 in f32
};

// Parameters of a step: type f32, f16, int8 or int4; for the last two block_size (32), symmetric
// (true), accuracy_level (4) and embedding, the type of the embedding and of the output's matrix
// (the same as type), which matter most in a small model.
Result<OnnxOptions> onnx_options(const std::map<std::string, std::string>& params);

// Writes model.onnx, model.onnx.data, genai_config.json and vocab.gguf into workspace.dir.
//
// Inputs: input_ids, attention_mask (i64 [batch, sequence], [batch, total sequence]),
// past_key_values.N.key and .value (f32 [batch, kv heads, past, head width]), and logits_start
// (i64 [1], 0 unless given): logits begin at that position of input_ids, counted from the end when
// negative. Outputs: logits (f32 [batch, positions, vocabulary]), present.N.key and .value.
Result<void> huggingface_to_onnx(const std::filesystem::path& folder, OnnxOptions options,
                                 const Workspace& workspace);

}  // namespace strop::convert
