// OpenVINO IR: the .xml is walked as text (no DTD, no entities beyond the five, limited depth), its
// constants must lie inside the .bin beside it.
#pragma once

#include <filesystem>

#include "strop/model.h"
#include "strop/result.h"

namespace strop::formats {

Result<Model> read_openvino_ir(const std::filesystem::path& path);

}  // namespace strop::formats
