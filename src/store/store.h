// The user's store of artifacts: one folder per artifact under the hash of what it was made from,
// published by rename, built by one process at a time, checked against its manifest.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "core/lock.h"
#include "strop/artifact.h"
#include "strop/result.h"

namespace strop {

// Who needs an artifact, in words for people.
struct StoreUse {
  std::string model;                 // what the user calls it
  std::string recipe;                // framework and recipe
  std::filesystem::path run_folder;  // empty: none, so that nothing keeps it from being removed
};

inline constexpr const char* kManifest = "artifact.json";  // beside an artifact's files

// The artifact as the manifest in its folder states it; corrupt when that names a file outside of
// the folder.
Result<Artifact> read_manifest(const std::filesystem::path& folder);

class Store {
 public:
  // Creates the folder when there is none. Default place: STROP_STORE, else the user's cache
  // folder.
  static Result<Store> open(const std::filesystem::path& root);
  static Result<std::filesystem::path> default_root();
  static Result<Store> open_default();

  const std::filesystem::path& root() const { return root_; }

  // Where workers keep what they found out about the machine, such as self-tests.
  std::filesystem::path workers_cache() const { return root_ / "workers"; }

  // The artifact with that id; built by `build` in a fresh folder when the store lacks it, or when
  // its files do not have the sizes that its manifest states. Sets id, folder, digests and sizes.
  // What an interrupted build left behind is removed. Nobody removes the artifact as long as this
  // Store or a copy of it lives.
  Result<Artifact> artifact(
      const std::string& id,
      const std::function<Result<Artifact>(const std::filesystem::path& folder)>& build);
  bool has(const std::string& id) const;
  // Whether it is there; then nobody removes it as long as this Store or a copy of it lives.
  Result<bool> hold(const std::string& id);
  // Records who needs it. Costs nothing when that is known already.
  Result<void> note_use(const std::string& id, const StoreUse& use);

  // The artifact as its manifest states it.
  Result<Artifact> manifest(const std::string& id) const;
  // Takes an artifact out of the store, for somebody to look at. The caller holds its lock alone.
  Result<std::filesystem::path> quarantine(const std::string& id);

  // Checks sizes and digests of the files against the manifest; corrupt names the file.
  Result<void> verify(const Artifact& artifact) const;

  // SHA-256 of a file, remembered by device, inode, size and time of change.
  Result<std::string> digest(const std::filesystem::path& file);
  // One digest for a file or for all files of a folder.
  Result<std::string> digest_tree(const std::filesystem::path& path);
  // One digest for several files, by their paths from the folder; for a single one, its own.
  Result<std::string> digest_files(const std::filesystem::path& folder,
                                   std::vector<std::filesystem::path> files);

 private:
  Result<std::string> digest_named(const std::filesystem::path& folder,
                                   std::vector<std::filesystem::path> files);
  explicit Store(std::filesystem::path root) : root_(std::move(root)) {}
  std::filesystem::path folder_of(const std::string& id) const { return root_ / "artifacts" / id; }
  Result<Artifact> make(
      const std::string& id,
      const std::function<Result<Artifact>(const std::filesystem::path& folder)>& build);

  std::filesystem::path root_;
  using Held = std::map<std::string, Lock>;
  std::shared_ptr<Held> held_ = std::make_shared<Held>();  // shared locks, by id
};

}  // namespace strop
