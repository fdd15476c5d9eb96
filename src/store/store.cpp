#include "store/store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/lock.h"

namespace fs = std::filesystem;

namespace strop {
namespace {

constexpr const char* kManifest = "artifact.json";

Result<Artifact> read_manifest(const fs::path& folder) {
  STROP_TRY(const std::string text, read_text(folder / kManifest, 16u << 20));
  STROP_TRY(const Json json, parse_json(text, (folder / kManifest).string()));
  STROP_TRY(Artifact artifact, decode<Artifact>(json, (folder / kManifest).string()));
  artifact.folder = folder.string();
  return artifact;
}

// A relative path that stays inside its folder.
bool stays_inside(const fs::path& path) {
  return !path.empty() && path.is_relative() &&
         std::none_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".."; });
}

// Sizes and digests of what the build wrote.
Result<void> complete(Artifact& artifact, const fs::path& folder) {
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
    STROP_TRY(file.sha256, sha256_file(folder / file.path));
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
  for (const char* part : {"artifacts", "work", "locks", "digests", "workers"}) {
    fs::create_directories(absolute / part, error);
    if (error) return file_error("create", absolute / part, error.value());
  }
  return Store(absolute);
}

bool Store::has(const std::string& id) const {
  std::error_code error;
  return fs::exists(folder_of(id) / kManifest, error);
}

Result<Artifact> Store::artifact(const std::string& id,
                                 const std::function<Result<Artifact>(const fs::path&)>& build) {
  if (has(id)) return read_manifest(folder_of(id));
  STROP_TRY(const Lock lock, Lock::acquire(root_ / "locks" / id, "the artifact"));
  if (has(id)) return read_manifest(folder_of(id));
  // Under the lock nobody else works on this id, so what is there was left by an interrupted build.
  const fs::path work = root_ / "work" / id;
  std::error_code error;
  fs::remove_all(work, error);
  fs::create_directories(work, error);
  if (error) return file_error("create", work, error.value());
  const auto made = [&]() -> Result<Artifact> {
    STROP_TRY(Artifact artifact, build(work));
    artifact.id = id;
    artifact.folder.clear();
    STROP_CHECK(complete(artifact, work));
    STROP_CHECK(write_whole(work / kManifest, encode(artifact).dump(2)));
    STROP_CHECK(publish_folder(work, folder_of(id)));
    return read_manifest(folder_of(id));
  }();
  if (!made) fs::remove_all(work, error);
  return made;
}

Result<void> Store::verify(const Artifact& artifact) const {
  for (const ArtifactFile& file : artifact.files) {
    const fs::path path = fs::path(artifact.folder) / file.path;
    STROP_TRY(const std::string digest, sha256_file(path));
    if (digest != file.sha256) {
      return Error{.code = ErrorCode::corrupt,
                   .message = str(path.string(), " does not have the digest its manifest states"),
                   .hint = str("Remove ", artifact.folder, " and run again; it is made anew."),
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
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(path, error)) {
    if (entry.is_regular_file(error)) files.push_back(entry.path());
  }
  if (error) return file_error("list", path, error.value());
  std::sort(files.begin(), files.end());
  Sha256 hash;
  for (const fs::path& file : files) {
    STROP_TRY(const std::string content, digest(file));
    hash.update(str(fs::relative(file, path, error).generic_string(), "\n", content, "\n"));
  }
  return hash.hex();
}

}  // namespace strop
