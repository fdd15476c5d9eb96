// Writes safetensors files tensor by tensor: names, types and shapes come first, then the data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "formats/streamed_file.h"
#include "strop/result.h"

namespace strop::formats {

// A tensor to be written. `type` in our words: f32, bf16, u32, ...
struct DeclaredTensor {
  std::string name;
  std::string type;
  std::vector<std::uint64_t> shape;  // row-major, outermost first
  std::uint64_t bytes() const;
};

class SafetensorsWriter {
 public:
  // Fails with invalid_input when a type is not one of the format's, or a name comes twice.
  Result<void> begin(const std::filesystem::path& path, const std::vector<DeclaredTensor>& tensors,
                     const std::map<std::string, std::string>& metadata);
  // The next bytes of the data: one tensor after the other, in the declared order.
  Result<void> append(std::string_view bytes);
  // Fails with io when the bytes do not match the declared tensors.
  Result<void> finish();

 private:
  StreamedFile file_;
  std::uint64_t declared_ = 0, appended_ = 0;
};

}  // namespace strop::formats
