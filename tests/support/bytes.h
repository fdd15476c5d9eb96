// Little-endian bytes of files made by tests, right or wrong.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace strop::test {

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

// A GGUF string: its length, then its bytes.
inline std::string counted(std::string_view text) {
  return raw<std::uint64_t>(text.size()) + std::string(text);
}

// One metadata entry; `value` without the type.
inline std::string gguf_entry(std::string_view key, std::uint32_t type, const std::string& value) {
  return counted(key) + raw(type) + value;
}

struct GgufTensorEntry {
  std::string name = "t";
  std::vector<std::uint64_t> shape = {4};
  std::uint32_t type = 0;  // f32
  std::uint64_t offset = 0;
};

// A GGUF file as stated, right or wrong. The defaults make a small right one.
struct GgufParts {
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::vector<std::string> metadata = {gguf_entry("general.architecture", 8, counted("llama"))};
  std::vector<GgufTensorEntry> tensors = {{}};
  std::string data = std::string(16, '\1');

  std::string bytes() const {
    std::string file = magic + raw(version) + raw<std::uint64_t>(tensors.size()) +
                       raw<std::uint64_t>(metadata.size());
    for (const std::string& entry : metadata) file += entry;
    for (const GgufTensorEntry& tensor : tensors) {
      file += counted(tensor.name) + raw(static_cast<std::uint32_t>(tensor.shape.size()));
      for (std::uint64_t dimension : tensor.shape) file += raw(dimension);
      file += raw(tensor.type) + raw(tensor.offset);
    }
    file.resize((file.size() + 31) / 32 * 32, '\0');
    return file + data;
  }
};

inline std::string safetensors(std::string_view header, std::string_view data) {
  return raw<std::uint64_t>(header.size()) + std::string(header) + std::string(data);
}

inline std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>((value & 0x7f) | 0x80);
  return bytes + static_cast<char>(value);
}

// Fields of a protobuf message: a number, or bytes.
inline std::string field(std::uint32_t number, std::uint64_t value) {
  return varint(number << 3) + varint(value);
}
inline std::string field(std::uint32_t number, std::string_view bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + std::string(bytes);
}

}  // namespace strop::test
