#include "formats/streamed_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace strop::formats {
namespace {

constexpr std::size_t kBufferBytes = 1 << 20;

}  // namespace

StreamedFile::~StreamedFile() {
  if (!aside_.empty()) ::unlink(aside_.c_str());
}

Result<void> StreamedFile::begin(const std::filesystem::path& path) {
  path_ = path;
  aside_ = path.parent_path() / str(".", path.filename().string(), ".part");
  fd_ = create_anew(aside_);
  if (!fd_) return file_error("create", aside_, errno);
  return {};
}

Result<void> StreamedFile::flush(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return file_error("write", path_, errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> StreamedFile::write(std::string_view bytes) {
  if (buffer_.size() + bytes.size() < kBufferBytes) {
    buffer_ += bytes;
    return {};
  }
  STROP_CHECK(flush(buffer_));
  buffer_.clear();
  return flush(bytes);
}

Result<void> StreamedFile::finish() {
  STROP_CHECK(flush(buffer_));
  buffer_.clear();
  if (::fsync(fd_.get()) != 0) return file_error("sync", path_, errno);
  fd_.reset();
  if (::rename(aside_.c_str(), path_.c_str()) != 0) return file_error("rename to", path_, errno);
  aside_.clear();
  return {};
}

}  // namespace strop::formats
