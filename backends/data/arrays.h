// The user's arrays: .npy files, and .npz files of any maker, compressed or not.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "formats/mapped_file.h"
#include "formats/npy.h"
#include "strop/backend.h"

namespace strop::data {

constexpr std::uint64_t kMaxArrayBytes = 8ull << 30;
constexpr std::uint64_t kMaxUnpackedBytes = 16ull << 30;  // of one file

struct ArrayHeader {
  std::string name;
  ElementType type = ElementType::f32;
  std::vector<std::int64_t> shape;
  std::uint64_t bytes = 0;  // of the data
};

// Name, type and shape of each array, in order; the data is not read. `stem` names the array of a
// .npy file.
Result<std::vector<ArrayHeader>> array_headers(const formats::MappedFile& file,
                                               const std::string& what, const std::string& stem);

// An array's data in memory that the file system backs.
struct Array {
  ArrayHeader header;
  formats::MappedFile file;
  std::uint64_t offset = 0;

  std::string_view data() const { return file.bytes().substr(offset, header.bytes); }
};

// All arrays of the file. Those of an .npz are unpacked into `scratch`, an empty folder.
Result<std::vector<Array>> open_arrays(const std::filesystem::path& folder, const std::string& name,
                                       const std::string& stem,
                                       const std::filesystem::path& scratch);

}  // namespace strop::data
