// GGUF -> GGUF in one of llama.cpp's quantised types, through its library.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "strop/backend.h"

namespace strop::convert {

// Writes `out` whole. Returns what a user should know of it: types in use, tensors that fell back,
// true bits per weight.
Result<std::vector<std::string>> quantize(const std::filesystem::path& in, const std::string& type,
                                          const std::filesystem::path& out,
                                          const Workspace& workspace);

}  // namespace strop::convert
