// Samples on disk: arrays by name in one stored (not compressed) npz file, as NumPy reads it. The
// reader takes exactly what the writer makes and nothing else; the data worker turns other npz
// files into these.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strop/backend.h"
#include "strop/result.h"

namespace strop::formats {

// The file appears whole or not at all. unsupported: a type that NumPy lacks (bf16), or 4 GiB and
// more; invalid_input: names that are empty, twice there, no UTF-8 or longer than 256 bytes, or
// data of another size than the shape says.
Result<void> write_npz(const std::filesystem::path& path, std::span<const Tensor> arrays);

// In the order of the file.
Result<std::vector<Tensor>> read_npz(const std::filesystem::path& path);
Result<std::vector<Tensor>> read_npz(std::string_view bytes, const std::string& what);

}  // namespace strop::formats
