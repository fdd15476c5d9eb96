#include "core/lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

namespace strop {

Result<Lock> Lock::take(const std::filesystem::path& file, std::string_view what, int open_flags,
                        int operation) {
  Descriptor fd(::open(file.c_str(), open_flags | O_CLOEXEC, 0644));
  if (!fd) return file_error("lock", file, errno);
  while (::flock(fd.get(), operation) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return file_error("lock", file, errno);
    return Error{.code = ErrorCode::busy,
                 .message = str(what, " is in use by another strop"),
                 .hint = "Wait for it to finish, or choose another folder with -o.",
                 .field = "path",
                 .value = file.parent_path().string()};
  }
  return Lock(std::move(fd));
}

Result<Lock> Lock::try_acquire(const std::filesystem::path& file, std::string_view what) {
  return take(file, what, O_RDWR | O_CREAT, LOCK_EX | LOCK_NB);
}
Result<Lock> Lock::acquire(const std::filesystem::path& file, std::string_view what) {
  return take(file, what, O_RDWR | O_CREAT, LOCK_EX);
}
Result<Lock> Lock::acquire_shared(const std::filesystem::path& file, std::string_view what) {
  return take(file, what, O_RDWR | O_CREAT, LOCK_SH);
}
Result<Lock> Lock::try_folder(const std::filesystem::path& folder, std::string_view what) {
  return take(folder, what, O_RDONLY | O_DIRECTORY, LOCK_EX | LOCK_NB);
}

Result<void> Lock::share() {
  while (::flock(fd_.get(), LOCK_SH) != 0) {
    if (errno != EINTR) return file_error("lock", "a file", errno);
  }
  return {};
}

}  // namespace strop
