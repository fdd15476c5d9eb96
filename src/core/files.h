// Files that appear whole or not at all, and bounded reads.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "strop/result.h"

namespace strop {

// io or no_space, with the path and the system's reason.
Error file_error(std::string_view doing, const std::filesystem::path& path, int error_number);

// Whether the disk is full or fails. Libraries that write files by themselves say that they failed,
// if that, but not why; errno, cleared before, still does when they return.
bool is_of_disk(int error_number);

// A relative path that does not leave the folder it is read against, symbolic links aside.
bool stays_inside(const std::filesystem::path& path);

// Fails with invalid_input when the path is no UTF-8: records and reports, which name it, are JSON.
Result<void> check_can_be_named(const std::filesystem::path& path, std::string_view field);

// Whether `name` is a file of the folder's own: a regular file in it, or a link to one in it or, in
// a cache of Hugging Face, to one of the blobs that its snapshot is made of.
bool is_own_file(const std::filesystem::path& folder, const std::filesystem::path& name);

// What lies in the folder, in order of the names; nothing when it cannot be read.
std::vector<std::filesystem::path> sorted_entries(const std::filesystem::path& folder);

// Everything below the folder, in no order, links not followed; io when a part cannot be read.
Result<std::vector<std::filesystem::directory_entry>> entries_below(
    const std::filesystem::path& folder);

// Fails with corrupt when the folder is a link or holds anything but regular files and folders:
// what was written by somebody else must not lead our own reading and writing elsewhere.
Result<void> refuse_links(const std::filesystem::path& folder);

// Makes the folder where there is none, and those above it.
Result<void> make_folder(const std::filesystem::path& folder);

// Copies a file to a place where none is, the folder made where there is none. Not synced.
Result<void> copy_whole(const std::filesystem::path& from, const std::filesystem::path& to);

// Writes aside, syncs, renames, syncs the folder.
Result<void> write_whole(const std::filesystem::path& path, std::string_view bytes);

// write_whole, but a file that says so already is left alone: to sync it anew takes longer than all
// else of a run with nothing to do.
Result<void> write_changed(const std::filesystem::path& path, std::string_view bytes);

// The whole file, which must be a regular one; refuses one larger than max_bytes. Never waits.
Result<std::string> read_text(const std::filesystem::path& path,
                              std::uint64_t max_bytes = 64ull << 20);

Result<void> sync_file(const std::filesystem::path& path);
Result<void> sync_folder(const std::filesystem::path& path);

// Publishes a finished folder under its final name: syncs every file, then renames. An existing one
// wins.
Result<void> publish_folder(const std::filesystem::path& finished,
                            const std::filesystem::path& final_path);

// A descriptor closed at the end of its scope.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~Descriptor() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

// A new file to write to; none, with errno, when it cannot be made. What has its name already goes:
// it is not written to, nor through.
Descriptor create_anew(const std::filesystem::path& path);

}  // namespace strop
