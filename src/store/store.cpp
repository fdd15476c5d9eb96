#include "store/store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "core/clock.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"

namespace fs = std::filesystem;

namespace strop {
namespace {

Result<void> check_inside(const std::string& file, const char* field, const fs::path& manifest) {
  if (stays_inside(file)) return {};
  return Error{.code = ErrorCode::corrupt,
               .message = str("[store] ", manifest.string(),
                              ": each file must lie in the artifact's folder"),
               .field = field,
               .value = file};
}

// The sizes alone: a power loss cuts files, and reading all of them at every use would be slow.
bool has_stated_sizes(const Artifact& artifact) {
  return std::all_of(artifact.files.begin(), artifact.files.end(), [&](const ArtifactFile& file) {
    struct stat status {};
    return ::lstat((fs::path(artifact.folder) / file.path).c_str(), &status) == 0 &&
           S_ISREG(status.st_mode) && static_cast<std::uint64_t>(status.st_size) == file.bytes;
  });
}

// Sizes and digests of what the build wrote.
Result<void> complete(Artifact& artifact, const fs::path& folder) {
  STROP_CHECK(refuse_links(folder));
  artifact.total_bytes = 0;
  for (ArtifactFile& file : artifact.files) {
    if (!stays_inside(file.path)) {
      return Error{.code = ErrorCode::corrupt,
                   .message = "an artifact's file must lie in its folder",
                   .field = "files",
                   .value = file.path};
    }
    struct stat status {};
    if (::lstat((folder / file.path).c_str(), &status) != 0)
      return file_error("find", folder / file.path, errno);
    if (!S_ISREG(status.st_mode)) {
      return Error{.code = ErrorCode::corrupt,
                   .message = "an artifact's file must be a regular file",
                   .field = "files",
                   .value = file.path};
    }
    file.bytes = static_cast<std::uint64_t>(status.st_size);
    STROP_TRY(file.sha256, sha256_file(folder / file.path, Links::refused));
    artifact.total_bytes += file.bytes;
  }
  if (!stays_inside(artifact.entry))
    return Error{.code = ErrorCode::corrupt,
                 .message = "an artifact needs an entry",
                 .field = "entry",
                 .value = artifact.entry};
  return {};
}

}  // namespace

Result<Artifact> read_manifest(const fs::path& folder) {
  const fs::path manifest = folder / kManifest;
  STROP_TRY(const std::string text, read_text(manifest, 16u << 20));
  STROP_TRY(const Json json, parse_json(text, manifest.string()));
  STROP_TRY(Artifact artifact, decode<Artifact>(json, manifest.string()));
  STROP_CHECK(check_inside(artifact.entry, "entry", manifest));
  for (const ArtifactFile& file : artifact.files)
    STROP_CHECK(check_inside(file.path, "files", manifest));
  artifact.folder = folder.string();
  return artifact;
}

Result<fs::path> Store::default_root() {
  if (const char* place = std::getenv("STROP_STORE"); place && *place) return fs::path(place);
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache)
    return fs::path(cache) / "strop";
  if (const char* home = std::getenv("HOME"); home && *home)
    return fs::path(home) / ".cache" / "strop";
  return Error{.code = ErrorCode::not_found,
               .message = "[store] no place for the store: neither STROP_STORE nor HOME is set",
               .hint = "Set STROP_STORE to a folder."};
}

Result<Store> Store::open(const fs::path& root) {
  std::error_code error;
  const fs::path absolute = fs::absolute(root, error);
  STROP_CHECK(check_can_be_named(absolute, "the store"));
  for (const char* part : {"artifacts", "work", "locks", "digests", "uses", "workers"}) {
    STROP_CHECK(make_folder(absolute / part));
  }
  return Store(absolute);
}

Result<Store> Store::open_default() {
  STROP_TRY(const fs::path root, default_root());
  return open(root);
}

bool Store::has(const std::string& id) const {
  std::error_code error;
  return fs::exists(folder_of(id) / kManifest, error);
}

Result<bool> Store::hold(const std::string& id) {
  if (!has(id)) return false;
  if (held_->contains(id)) return true;
  STROP_TRY(Lock lock, Lock::acquire_shared(root_ / "locks" / id, "the artifact"));
  if (!has(id)) return false;  // removed before the lock was had
  held_->emplace(id, std::move(lock));
  return true;
}

Result<Artifact> Store::artifact(const std::string& id,
                                 const std::function<Result<Artifact>(const fs::path&)>& build) {
  // Between building it alone and holding it shared somebody may remove it: a rare second turn.
  for (int turn = 0; turn < 3; ++turn) {
    STROP_TRY(const bool there, hold(id));
    if (there) {
      if (auto artifact = manifest(id); artifact && has_stated_sizes(*artifact)) return artifact;
    }
    held_->erase(id);  // a shared lock of our own, of what was removed or cut, would bar us
    STROP_TRY(Lock lock, Lock::acquire(root_ / "locks" / id, "the artifact"));
    auto made = make(id, build);
    if (!made) return made;
    STROP_CHECK(lock.share());
    held_->insert_or_assign(id, std::move(lock));
  }
  return Error{.code = ErrorCode::busy,
               .message = str("[store] ", id, " is removed as often as it is made"),
               .hint = "Wait for the strop that clears the store, then run again.",
               .field = "id",
               .value = id};
}

// Under the lock nobody else works on this id, so what is there was left by an interrupted build.
Result<Artifact> Store::make(const std::string& id,
                             const std::function<Result<Artifact>(const fs::path&)>& build) {
  if (has(id)) {
    if (auto artifact = manifest(id); artifact && has_stated_sizes(*artifact)) return artifact;
    STROP_CHECK(quarantine(id));
  }
  const fs::path work = root_ / "work" / id;
  std::error_code error;
  fs::remove_all(work, error);
  STROP_CHECK(make_folder(work));
  auto made = [&]() -> Result<Artifact> {
    STROP_TRY(Artifact artifact, build(work));
    artifact.id = id;
    artifact.folder.clear();
    STROP_CHECK(complete(artifact, work));
    STROP_CHECK(write_whole(work / kManifest, text_of(encode(artifact), 2)));
    STROP_CHECK(publish_folder(work, folder_of(id)));
    return manifest(id);
  }();
  if (!made) fs::remove_all(work, error);
  return made;
}

Result<Artifact> Store::manifest(const std::string& id) const {
  return read_manifest(folder_of(id));
}

Result<fs::path> Store::quarantine(const std::string& id) {
  STROP_CHECK(make_folder(root_ / "quarantine"));
  std::error_code error;
  const std::string name = str(id, ".", now_utc());
  fs::path place = root_ / "quarantine" / name;
  for (int i = 2; fs::exists(place, error); ++i) place = root_ / "quarantine" / str(name, ".", i);
  fs::rename(folder_of(id), place, error);
  if (error) return file_error("move", folder_of(id), error.value());
  STROP_CHECK(sync_folder(root_ / "quarantine"));
  return place;
}

Result<void> Store::note_use(const std::string& id, const StoreUse& use) {
  const fs::path folder = root_ / "uses" / id;
  STROP_CHECK(make_folder(folder));
  STROP_CHECK(write_changed(folder / "about.json",
                            text_of({{"model", use.model}, {"recipe", use.recipe}})));
  if (!use.run_folder.empty()) {
    const std::string run = use.run_folder.string();
    STROP_CHECK(write_changed(folder / (sha256_hex(run).substr(0, 16) + ".run"), run));
  }
  std::error_code ignored;
  fs::last_write_time(folder, fs::file_time_type::clock::now(), ignored);
  return {};
}

Result<void> Store::verify(const Artifact& artifact) const {
  for (const ArtifactFile& file : artifact.files) {
    const fs::path path = fs::path(artifact.folder) / file.path;
    STROP_TRY(const std::string digest, sha256_file(path, Links::refused));
    if (digest != file.sha256) {
      return Error{
          .code = ErrorCode::corrupt,
          .message = str(path.string(), " does not have the digest its manifest states"),
          .hint =
              "Run strop store verify: it takes the artifact out of the store, and the next run "
              "makes it anew.",
          .field = "sha256",
          .value = digest};
    }
  }
  return {};
}

Result<std::string> Store::digest(const fs::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return file_error("read", file, errno);
  const std::string identity =
      str(status.st_dev, ":", status.st_ino, ":", status.st_size, ":", status.st_mtim.tv_sec, ".",
          status.st_mtim.tv_nsec, ":", status.st_ctim.tv_sec, ".", status.st_ctim.tv_nsec);
  const fs::path note = root_ / "digests" / sha256_hex(identity);
  if (auto known = read_text(note, 64); known && known->size() == 64) return *known;
  STROP_TRY(const std::string digest, sha256_file(file));
  STROP_CHECK(write_whole(note, digest));
  return digest;
}

Result<std::string> Store::digest_tree(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return digest(path);
  STROP_TRY(const auto entries, entries_below(path));
  std::vector<fs::path> files;
  for (const auto& entry : entries) {
    if (entry.is_regular_file(error)) files.push_back(entry.path());
  }
  return digest_named(path, std::move(files));
}

Result<std::string> Store::digest_files(const fs::path& folder, std::vector<fs::path> files) {
  if (files.size() == 1) return digest(files.front());
  return digest_named(folder, std::move(files));
}

Result<std::string> Store::digest_named(const fs::path& folder, std::vector<fs::path> files) {
  std::sort(files.begin(), files.end());
  Sha256 hash;
  std::error_code error;
  for (const fs::path& file : files) {
    STROP_TRY(const std::string content, digest(file));
    hash.update(str(fs::relative(file, folder, error).generic_string(), "\n", content, "\n"));
  }
  return hash.hex();
}

}  // namespace strop
