// Any model the tool understands, from its metadata alone.
#pragma once

#include <filesystem>

#include "strop/model.h"
#include "strop/result.h"

namespace strop {

// Reads a folder or a file by what is in it, not by its name. Leaves id empty: that needs every
// byte of the weights.
Result<Model> read_model(const std::filesystem::path& path);

}  // namespace strop
