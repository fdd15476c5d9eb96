// Planned tensors of a Hugging Face folder into a GGUF file, with memory for a few rows.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "floats.h"
#include "formats/gguf.h"
#include "formats/mlx.h"
#include "formats/safetensors.h"
#include "strop/backend.h"
#include "tensor_plan.h"

namespace strop::convert {

using MlxMatrices = std::map<std::string, formats::MlxMatrix>;  // by name of the weight

// Matrices in `type`, vectors and what the plan says in f32.
FloatType stored_type(const TensorPlan& tensor, FloatType type);

// GGUF's value of general.file_type for a file whose matrices are of this type.
std::uint32_t file_type(FloatType type);
const formats::TensorType& ggml_type(FloatType type);

// What a file says first: architecture, name by the folder, licence.
void add_identity(formats::GgufWriter& writer, const std::string& architecture,
                  const std::filesystem::path& folder);

// Declares every tensor of the plan, in its order.
void declare_tensors(formats::GgufWriter& writer, const std::vector<TensorPlan>& plan,
                     FloatType type);

// Appends the declared tensors' data; a matrix that is in `packed` is unpacked on the way. corrupt
// with the tensor's name when a value is not finite in its type.
Result<void> append_tensors(formats::GgufWriter& writer, const formats::SafetensorsModel& weights,
                            const MlxMatrices& packed, const std::vector<TensorPlan>& plan,
                            FloatType type, const Workspace& workspace);

}  // namespace strop::convert
