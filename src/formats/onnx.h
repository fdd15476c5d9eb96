// ONNX: a walk over the protobuf wire for metadata. Nothing is instantiated, external data is
// checked to lie inside the model's folder.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "strop/model.h"
#include "strop/result.h"

namespace strop::formats {

Result<Model> read_onnx(const std::filesystem::path& path);

// The files that hold its weights, relative to its folder and inside it; none when the file itself
// does. Checks all that read_onnx checks.
Result<std::vector<std::string>> onnx_external_files(const std::filesystem::path& path);

// The sets of operators that it names, "" for ONNX's own. Checks all that read_onnx checks.
Result<std::vector<std::string>> onnx_domains(const std::filesystem::path& path);

}  // namespace strop::formats
