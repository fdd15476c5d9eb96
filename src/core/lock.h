// An advisory lock on a file, freed by the kernel when the process ends, however it ends.
#pragma once

#include <filesystem>

#include "core/files.h"
#include "strop/result.h"

namespace strop {

class Lock {
 public:
  // Fails with busy when somebody holds it. `what` names the locked thing in the message.
  static Result<Lock> try_acquire(const std::filesystem::path& file, std::string_view what);
  // Waits for it.
  static Result<Lock> acquire(const std::filesystem::path& file, std::string_view what);

 private:
  explicit Lock(Descriptor fd) : fd_(std::move(fd)) {}
  static Result<Lock> take(const std::filesystem::path& file, std::string_view what, bool wait);
  Descriptor fd_;
};

}  // namespace strop
