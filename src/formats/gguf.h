// GGUF version 2 and 3 (docs/gguf.md of ggml): metadata, tensor table, aligned tensor data. The
// reader checks every count and range against the bytes that are there before anything is allocated
// or handed on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "formats/mapped_file.h"
#include "formats/streamed_file.h"
#include "strop/result.h"

namespace strop::formats {

// Layout of one of ggml's tensor types.
struct TensorType {
  std::uint32_t id = 0;
  const char* name = "";
  std::uint32_t block = 1;  // elements of a block
  std::uint32_t block_bytes = 4;
};
const TensorType* tensor_type(std::uint32_t id);
const TensorType* tensor_type(std::string_view name);

enum class GgufType : std::uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64
};

// Strings point into the mapped file (or into the writer's caller).
struct GgufArray {
  GgufType type = GgufType::u8;
  std::uint64_t count = 0;
  std::vector<std::string_view> strings;  // of a string array
  std::string_view raw;                   // little-endian elements of any other
  std::int64_t integer(std::size_t index) const;
  double real(std::size_t index) const;
};

struct GgufValue {
  GgufType type = GgufType::u32;
  std::variant<std::uint64_t, std::int64_t, double, bool, std::string_view, GgufArray> value;
};

struct GgufTensor {
  std::string_view name;
  const TensorType* type = nullptr;
  std::vector<std::uint64_t> shape;  // ggml's order: shape[0] is the row length
  std::string_view data;             // in the mapped file
  std::uint64_t elements() const;
};

class GgufFile {
 public:
  static Result<GgufFile> open(const std::filesystem::path& path);

  std::uint32_t version() const { return version_; }
  const std::vector<std::pair<std::string_view, GgufValue>>& metadata() const { return metadata_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const MappedFile& file() const { return file_; }

  std::string_view metadata_bytes() const { return metadata_bytes_; }

  const GgufValue* find(std::string_view key) const;
  const GgufTensor* tensor(std::string_view name) const;
  std::optional<std::string_view> text(std::string_view key) const;
  std::optional<std::uint64_t> count(std::string_view key) const;  // a non-negative integer
  std::optional<double> real(std::string_view key) const;
  const GgufArray* array(std::string_view key) const;

 private:
  explicit GgufFile(MappedFile file) : file_(std::move(file)) {}
  Result<void> parse();
  MappedFile file_;
  std::uint32_t version_ = 0;
  std::string_view metadata_bytes_;
  std::vector<std::pair<std::string_view, GgufValue>> metadata_;
  std::vector<GgufTensor> tensors_;
};

// Writes a file tensor by tensor. Metadata and the tensor table come first, so shapes are declared
// before data.
class GgufWriter {
 public:
  void add(const std::string& key, std::string_view text);
  void add(const std::string& key, const char* text) { add(key, std::string_view(text)); }
  void add(const std::string& key, std::uint32_t value);
  void add(const std::string& key, float value);
  void add(const std::string& key, bool value);
  void add(const std::string& key, const std::vector<std::string>& values);
  void add(const std::string& key, const std::vector<std::int32_t>& values);
  // One entry as it stands in another file: its key, type and value.
  void add_bytes(std::string_view entry);
  // Every key of the file as it stands there.
  void add_all(const GgufFile& file);
  void add_tensor(std::string name, const TensorType& type, std::vector<std::uint64_t> shape);

  // Starts the file aside of `path`; then append() each tensor's bytes in the declared order, then
  // finish().
  Result<void> begin(const std::filesystem::path& path);
  Result<void> append(std::string_view bytes);
  // Fails with io when the bytes do not match the declared tensors.
  Result<void> finish();

 private:
  struct Declared {
    std::string name;
    const TensorType* type;
    std::vector<std::uint64_t> shape;
    std::uint64_t offset = 0, bytes = 0;
  };
  Result<void> pad();
  std::string metadata_;
  std::uint64_t metadata_count_ = 0;
  std::vector<Declared> tensors_;
  std::uint64_t data_bytes_ = 0;
  StreamedFile file_;
  std::uint64_t appended_ = 0;
};

}  // namespace strop::formats
