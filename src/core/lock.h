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
  // Waits until nobody holds it alone; several may hold it shared.
  static Result<Lock> acquire_shared(const std::filesystem::path& file, std::string_view what);
  // Nobody else's to take: fails with busy when somebody holds it, shared or not. For a folder too.
  static Result<Lock> try_folder(const std::filesystem::path& folder, std::string_view what);

  // From alone to shared. For a moment nobody holds it.
  Result<void> share();

 private:
  explicit Lock(Descriptor fd) : fd_(std::move(fd)) {}
  static Result<Lock> take(const std::filesystem::path& file, std::string_view what, int open_flags,
                           int operation);
  Descriptor fd_;
};

}  // namespace strop
