#include "core/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/utf8.h"

namespace fs = std::filesystem;

namespace strop {

void Descriptor::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

namespace {

bool is_full(int error_number) { return error_number == ENOSPC || error_number == EDQUOT; }

}  // namespace

bool is_of_disk(int error_number) {
  return is_full(error_number) || error_number == EIO || error_number == EFBIG ||
         error_number == EROFS;
}

Error file_error(std::string_view doing, const fs::path& path, int error_number) {
  const bool full = is_full(error_number);
  return Error{
      .code = error_number == ENOENT ? ErrorCode::not_found
              : full                 ? ErrorCode::no_space
                                     : ErrorCode::io,
      .message = str("cannot ", doing, " ", path.string(), ": ", std::strerror(error_number)),
      .hint = full ? "Free space on that file system and run the same command again; finished work "
                     "is kept."
                   : "",
      .field = "path",
      .value = path.string()};
}

namespace {

Result<void> sync_path(const fs::path& path, int flags) {
  Descriptor fd(::open(path.c_str(), flags | O_CLOEXEC));
  if (!fd) return file_error("open", path, errno);
  if (::fsync(fd.get()) != 0) return file_error("sync", path, errno);
  return {};
}

Result<void> write_all(int fd, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return file_error("write", path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

Result<void> sync_file(const fs::path& path) { return sync_path(path, O_RDONLY); }
Result<void> sync_folder(const fs::path& path) { return sync_path(path, O_RDONLY | O_DIRECTORY); }

Descriptor create_anew(const fs::path& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
  return Descriptor(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
}

Result<void> check_can_be_named(const fs::path& path, std::string_view field) {
  const std::string name = path.string();
  if (!invalid_utf8(name)) return {};
  const std::string seen = repaired_utf8(name);
  return Error{
      .code = ErrorCode::invalid_input,
      .message = str(field, " must be a path in UTF-8, for reports name it, but is ", seen),
      .hint = "Rename it, or the folder above it whose name is the cause.",
      .field = std::string(field),
      .value = seen};
}

bool stays_inside(const fs::path& path) {
  return !path.empty() && path.is_relative() &&
         std::none_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".."; });
}

namespace {

bool lies_below(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first ==
         folder.end();
}

// Hugging Face keeps MODEL/snapshots/REVISION full of links into MODEL/blobs. Empty: it is no such
// folder.
fs::path blobs_of(const fs::path& folder) {
  for (fs::path at = folder; at.has_relative_path(); at = at.parent_path()) {
    const fs::path snapshots = at.parent_path(), model = snapshots.parent_path();
    if (snapshots.filename() == "snapshots" && model.filename().string().starts_with("models--"))
      return model / "blobs";
  }
  return {};
}

Error planted(const fs::path& path) {
  return Error{.code = ErrorCode::corrupt,
               .message = str(path.string(), " must be a regular file or a folder, and no link"),
               .field = "path",
               .value = path.string()};
}

}  // namespace

bool is_own_file(const fs::path& folder, const fs::path& name) {
  std::error_code error;
  const fs::path place = fs::canonical(folder.empty() ? fs::path(".") : folder, error);
  if (error || !stays_inside(name)) return false;
  const fs::path file = fs::canonical(place / name, error);
  if (error || !fs::is_regular_file(file, error)) return false;
  return lies_below(file, place) || file.parent_path() == blobs_of(place);
}

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::vector<fs::path> all;
  std::error_code error;
  const fs::directory_iterator end{};
  for (fs::directory_iterator entry(folder, error); !error && entry != end; entry.increment(error))
    all.push_back(entry->path());
  std::sort(all.begin(), all.end());
  return all;
}

Result<std::vector<fs::directory_entry>> entries_below(const fs::path& folder) {
  std::vector<fs::directory_entry> all;
  std::error_code error;
  const fs::recursive_directory_iterator end{};
  for (fs::recursive_directory_iterator entry(folder, error); !error && entry != end;
       entry.increment(error))
    all.push_back(*entry);
  if (error) return file_error("list", folder, error.value());
  return all;
}

Result<void> refuse_links(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(fs::symlink_status(folder, error))) return planted(folder);
  STROP_TRY(const auto entries, entries_below(folder));
  for (const auto& entry : entries) {
    const fs::file_status status = fs::symlink_status(entry.path(), error);
    if (!fs::is_regular_file(status) && !fs::is_directory(status)) return planted(entry.path());
  }
  return {};
}

Result<void> make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return file_error("create", folder, error.value());
  return {};
}

Result<void> copy_whole(const fs::path& from, const fs::path& to) {
  STROP_CHECK(make_folder(to.parent_path()));
  std::error_code error;
  fs::copy_file(from, to, error);
  if (error) return file_error("copy", to, error.value());
  return {};
}

Result<void> write_whole(const fs::path& path, std::string_view bytes) {
  const fs::path aside =
      path.parent_path() / str(".", path.filename().string(), ".", ::getpid(), ".part");
  Result<void> result;
  {
    const Descriptor fd = create_anew(aside);
    if (!fd) return file_error("create", path, errno);
    result = write_all(fd.get(), bytes, path);
    if (result && ::fsync(fd.get()) != 0) result = file_error("sync", path, errno);
  }
  if (result && ::rename(aside.c_str(), path.c_str()) != 0)
    result = file_error("rename to", path, errno);
  if (!result) {
    ::unlink(aside.c_str());
    return result;
  }
  return sync_folder(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

Result<void> write_changed(const fs::path& path, std::string_view bytes) {
  if (const auto known = read_text(path, bytes.size()); known && *known == bytes) return {};
  return write_whole(path, bytes);
}

Result<std::string> read_text(const fs::path& path, std::uint64_t max_bytes) {
  // Not blocking: a named pipe would wait for its writer for ever.
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return file_error("read", path, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return file_error("read", path, errno);
  if (!S_ISREG(status.st_mode)) {
    return Error{.code = ErrorCode::invalid_input,
                 .message = str(path.string(), " is not a regular file"),
                 .field = "path",
                 .value = path.string()};
  }
  if (static_cast<std::uint64_t>(status.st_size) > max_bytes) {
    return Error{.code = ErrorCode::invalid_input,
                 .message = str(path.string(), " must be at most ", max_bytes, " bytes, but has ",
                                status.st_size),
                 .field = "path",
                 .value = path.string()};
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + done, text.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error("read", path, errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  text.resize(done);
  return text;
}

Result<void> publish_folder(const fs::path& finished, const fs::path& final_path) {
  STROP_TRY(const auto entries, entries_below(finished));
  std::error_code error;
  for (const auto& entry : entries) {
    if (entry.is_regular_file(error)) STROP_CHECK(sync_file(entry.path()));
    if (entry.is_directory(error)) STROP_CHECK(sync_folder(entry.path()));
  }
  STROP_CHECK(sync_folder(finished));
  if (::rename(finished.c_str(), final_path.c_str()) != 0) {
    if (errno != EEXIST && errno != ENOTEMPTY) return file_error("rename to", final_path, errno);
    fs::remove_all(finished, error);
  }
  return sync_folder(final_path.parent_path());
}

}  // namespace strop
