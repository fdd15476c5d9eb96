// Files for parsers that open paths, in memory where the system has a place for that.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace strop::fuzz {

class ScratchFolder {
 public:
  ScratchFolder() {
    const std::filesystem::path memory = "/dev/shm";
    std::error_code error;
    const bool there = std::filesystem::is_directory(memory, error);
    std::string name =
        ((there ? memory : std::filesystem::temp_directory_path()) / "strop-fuzz-XXXXXX").string();
    if (!::mkdtemp(name.data())) std::abort();
    path_ = name;
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }

  std::filesystem::path write(const char* name, const std::uint8_t* data, std::size_t size) const {
    const std::filesystem::path path = path_ / name;
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (!file || std::fwrite(data, 1, size, file) != size) std::abort();
    std::fclose(file);
    return path;
  }

 private:
  std::filesystem::path path_;
};

// Reads the bytes, so that a sanitizer or the kernel objects to those that are not there.
template <class Bytes>
void touch(const Bytes& bytes) {
  unsigned sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 64) sum += static_cast<unsigned char>(bytes[i]);
  if (!bytes.empty()) sum += static_cast<unsigned char>(bytes[bytes.size() - 1]);
  asm volatile("" : : "r"(sum));  // the reads must stay
}

}  // namespace strop::fuzz
