// The Hugging Face folder of a llama-type decoder, read and checked before anything is written.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "decoder_layout.h"
#include "formats/huggingface.h"
#include "formats/mlx.h"
#include "formats/safetensors.h"

namespace strop::convert {

struct DecoderSource {
  formats::HuggingFaceConfig config;
  formats::HuggingFaceTokenizer tokenizer;
  formats::SafetensorsModel weights;
  std::map<std::string, formats::MlxMatrix> packed;  // of an MLX folder, by name of the weight
  std::vector<TensorPlan> plan;  // every tensor of the model, each there in its shape
};

// Takes an MLX folder too. Refuses a model that is no plain llama-type decoder, and a folder with
// tensors missing, misshapen or of no known place.
Result<DecoderSource> read_decoder(const std::filesystem::path& folder);

}  // namespace strop::convert
