#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "formats/mapped_file.h"

namespace fs = std::filesystem;

namespace strop::formats {

Result<MappedFile> MappedFile::open(const fs::path& path) {
  // Not blocking: a named pipe would wait for its writer for ever.
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return file_error("read", path, errno);
  return map(std::move(fd), path);
}

Result<MappedFile> MappedFile::open_inside(const fs::path& folder, const std::string& name) {
  Descriptor root(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return file_error("open", folder, errno);
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  Descriptor fd(
      static_cast<int>(::syscall(SYS_openat2, root.get(), name.c_str(), &how, sizeof how)));
  if (!fd && (errno == EXDEV || errno == ELOOP)) {
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("[formats] ", name, " must be a file inside of ", folder.string(),
                                ", not a link"),
                 .hint = "Copy the file itself into the model's folder; links are not followed.",
                 .field = "path",
                 .value = name};
  }
  if (!fd) return file_error("read", folder / name, errno);
  return map(std::move(fd), folder / name);
}

Result<MappedFile> MappedFile::map(Descriptor fd, const fs::path& path) {
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return file_error("read", path, errno);
  if (!S_ISREG(status.st_mode)) {
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("[formats] ", path.string(), " is not a regular file"),
                 .field = "path",
                 .value = path.string()};
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) {
    return Error{.code = ErrorCode::corrupt,
                 .message = str("[formats] ", path.string(), " is empty"),
                 .field = "path",
                 .value = path.string(),
                 .offset = 0};
  }
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) return file_error("map", path, errno);
  return MappedFile(path, static_cast<const char*>(data), size, status.st_nlink);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(other.data_), size_(other.size_), links_(other.links_) {
  other.data_ = nullptr;
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(links_, other.links_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<char*>(data_), size_);
}

void MappedFile::release(std::string_view part) const {
  // The whole pages inside of it.
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(part.data());
  const std::uintptr_t before = (page - address % page) % page;
  if (before >= part.size()) return;
  const std::uintptr_t bytes = (part.size() - before) / page * page;
  if (bytes > 0) ::madvise(const_cast<char*>(part.data()) + before, bytes, MADV_DONTNEED);
}

}  // namespace strop::formats
