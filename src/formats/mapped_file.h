// A regular file mapped read-only. The mapping keeps the file that was opened, whatever happens to
// its name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "core/files.h"
#include "strop/result.h"

namespace strop::formats {

class MappedFile {
 public:
  // Follows links on the way: the path is the user's own.
  static Result<MappedFile> open(const std::filesystem::path& path);
  // A file that a model folder names: it must lie in the folder itself, reached through no link.
  static Result<MappedFile> open_inside(const std::filesystem::path& folder,
                                        const std::string& name);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::string_view bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }
  // More than one name for the file: it may be one of another place.
  bool has_other_names() const { return links_ > 1; }
  // Tells the kernel that the range is not needed again, so that streaming a large file keeps
  // memory flat.
  void release(std::string_view part) const;

 private:
  MappedFile(std::filesystem::path path, const char* data, std::size_t size, std::uint64_t links)
      : path_(std::move(path)), data_(data), size_(size), links_(links) {}
  static Result<MappedFile> map(Descriptor fd, const std::filesystem::path& path);
  std::filesystem::path path_;
  const char* data_ = nullptr;
  std::size_t size_ = 0;
  std::uint64_t links_ = 1;
};

}  // namespace strop::formats
