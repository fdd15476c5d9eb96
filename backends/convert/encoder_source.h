// The Hugging Face folder of a BERT-type encoder, read and checked before anything is written.
#pragma once

#include <filesystem>
#include <vector>

#include "formats/huggingface.h"
#include "formats/safetensors.h"
#include "formats/sentence.h"
#include "tensor_plan.h"

namespace strop::convert {

struct EncoderSource {
  formats::HuggingFaceConfig config;
  formats::SentencePooling pooling;
  formats::SafetensorsModel weights;
  std::uint32_t token_types = 1;  // kinds of segments that a text may have
  std::vector<TensorPlan> plan;   // every tensor of the encoder, each there in its shape
};

// Refuses a model that is no plain BERT, and a folder with tensors missing, misshapen or of no
// known place. The pooler is left out: it serves the next-sentence task that the encoder was
// trained on, and no embedding.
Result<EncoderSource> read_encoder(const std::filesystem::path& folder);

}  // namespace strop::convert
