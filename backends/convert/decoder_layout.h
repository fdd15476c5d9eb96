// Where each tensor of a llama-type decoder goes: its name in the Hugging Face folder and in GGUF,
// and its shape.
#pragma once

#include <string>
#include <vector>

#include "formats/huggingface.h"
#include "tensor_plan.h"

namespace strop::convert {

// In the order in which they are written.
std::vector<TensorPlan> decoder_tensors(const formats::HuggingFaceConfig& config);

// Row of the source that becomes row `row`: Hugging Face keeps the two halves of a head's rotary
// pairs apart, GGUF keeps each pair together.
std::uint64_t source_row(std::uint64_t row, std::uint64_t rows, std::uint32_t heads);

// Tensors that some folders hold and no engine needs.
bool is_ignored(const std::string& source);

}  // namespace strop::convert
