#include "core/lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

namespace strop {

Result<Lock> Lock::take(const std::filesystem::path& file, std::string_view what, bool wait) {
  Descriptor fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) return file_error("lock", file, errno);
  while (::flock(fd.get(), LOCK_EX | (wait ? 0 : LOCK_NB)) != 0) {
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
  return take(file, what, false);
}
Result<Lock> Lock::acquire(const std::filesystem::path& file, std::string_view what) {
  return take(file, what, true);
}

}  // namespace strop
