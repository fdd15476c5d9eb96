// A file written piece by piece that appears whole or not at all.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "core/files.h"
#include "strop/result.h"

namespace strop::formats {

class StreamedFile {
 public:
  StreamedFile() = default;
  StreamedFile(const StreamedFile&) = delete;
  StreamedFile& operator=(const StreamedFile&) = delete;
  ~StreamedFile();

  // Starts the file aside of `path`.
  Result<void> begin(const std::filesystem::path& path);
  Result<void> write(std::string_view bytes);
  // Syncs it and gives it its name. Without this it is gone at the end of the object's life.
  Result<void> finish();

  const std::filesystem::path& path() const { return path_; }

 private:
  Result<void> flush(std::string_view bytes);
  std::filesystem::path path_, aside_;
  Descriptor fd_;
  std::string buffer_;
};

}  // namespace strop::formats
