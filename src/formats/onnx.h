// ONNX: a walk over the protobuf wire for metadata. Nothing is instantiated, external data is
// checked to lie inside the model's folder.
#pragma once

#include <filesystem>

#include "strop/model.h"
#include "strop/result.h"

namespace strop::formats {

Result<Model> read_onnx(const std::filesystem::path& path);

}  // namespace strop::formats
