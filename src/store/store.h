// The user's store of artifacts: one folder per artifact under the hash of what it was made from,
// published by rename, built by one process at a time, checked against its manifest.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "strop/artifact.h"
#include "strop/result.h"

namespace strop {

class Store {
 public:
  // Creates the folder when there is none. Default place: STROP_STORE, else the user's cache
  // folder.
  static Result<Store> open(const std::filesystem::path& root);
  static Result<std::filesystem::path> default_root();

  const std::filesystem::path& root() const { return root_; }

  // Where workers keep what they found out about the machine, such as self-tests.
  std::filesystem::path workers_cache() const { return root_ / "workers"; }

  // The artifact with that id; built by `build` in a fresh folder when the store lacks it. Sets id,
  // folder, digests and sizes. What an interrupted build left behind is removed.
  Result<Artifact> artifact(
      const std::string& id,
      const std::function<Result<Artifact>(const std::filesystem::path& folder)>& build);
  bool has(const std::string& id) const;

  // Checks sizes and digests of the files against the manifest; corrupt names the file.
  Result<void> verify(const Artifact& artifact) const;

  // SHA-256 of a file, remembered by device, inode, size and time of change.
  Result<std::string> digest(const std::filesystem::path& file);
  // One digest for a file or for all files of a folder.
  Result<std::string> digest_tree(const std::filesystem::path& path);

 private:
  explicit Store(std::filesystem::path root) : root_(std::move(root)) {}
  std::filesystem::path folder_of(const std::string& id) const { return root_ / "artifacts" / id; }
  std::filesystem::path root_;
};

}  // namespace strop
