// Safetensors: one file, or shards with an index. Only metadata is read; data stays in the mapping.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "formats/mapped_file.h"
#include "strop/result.h"

namespace strop::formats {

struct SafeTensor {
  std::string name;
  std::string type;                  // lower case: f32, bf16, f16, i8, ...
  std::vector<std::uint64_t> shape;  // row-major, outermost first
  std::string_view data;             // in the mapped file
  std::size_t file = 0;              // index into SafetensorsModel::files
  std::uint64_t elements() const;
};

struct SafetensorsModel {
  std::vector<MappedFile> files;
  std::vector<SafeTensor> tensors;  // by name
  const SafeTensor* find(std::string_view name) const;
};

// Bytes of an element of that type, in our words; 0 for one that the format does not have.
std::uint64_t safetensors_element_bytes(std::string_view type);
// The format's own word for it: BF16 for bf16.
std::string_view safetensors_word(std::string_view type);

// The tensors of one file. Refuses a header over 100 MB, gaps, overlaps and ranges that do not
// match shapes.
Result<std::vector<SafeTensor>> read_safetensors(const MappedFile& file);

// model.safetensors of the folder, or every shard that model.safetensors.index.json names; a
// missing shard is named.
Result<SafetensorsModel> read_safetensors_folder(const std::filesystem::path& folder);

}  // namespace strop::formats
