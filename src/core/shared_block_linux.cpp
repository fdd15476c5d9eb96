#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/shared_block.h"

namespace strop {

Result<SharedBlock> SharedBlock::create(std::size_t bytes) {
  Descriptor fd(::memfd_create("strop-block", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return file_error("create", "the shared block", errno);
  if (::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0)
    return file_error("size", "the shared block", errno);
  // A worker that shrank it would crash us with SIGBUS.
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return file_error("seal", "the shared block", errno);
  return map(std::move(fd), bytes);
}

Result<SharedBlock> SharedBlock::attach(int fd) {
  Descriptor owned(fd);
  struct stat status {};
  if (::fstat(fd, &status) != 0) return file_error("find", "the shared block", errno);
  return map(std::move(owned), static_cast<std::size_t>(status.st_size));
}

Result<SharedBlock> SharedBlock::map(Descriptor fd, std::size_t bytes) {
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) return file_error("map", "the shared block", errno);
  return SharedBlock(std::move(fd), static_cast<std::byte*>(data), bytes);
}

SharedBlock::SharedBlock(SharedBlock&& other) noexcept
    : fd_(std::move(other.fd_)), data_(other.data_), size_(other.size_) {
  other.data_ = nullptr;
}

SharedBlock::~SharedBlock() {
  if (data_) ::munmap(data_, size_);
}

}  // namespace strop
