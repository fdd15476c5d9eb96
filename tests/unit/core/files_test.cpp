// Folders that somebody else wrote to: nothing of ours is written or read where a link leads.
#include "core/files.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/hash.h"
#include "support/temporary_folder.h"

namespace fs = std::filesystem;
using namespace strop;
using strop::test::TemporaryFolder;

namespace {

std::string text_of(const fs::path& path) {
  const auto text = read_text(path);
  return text ? *text : text.error().message;
}

}  // namespace

TEST_CASE("what was planted where a file is written aside is not written through") {
  const TemporaryFolder folder, outside;
  const fs::path victim = outside.write("victim", "precious"), file = folder.path() / "file";
  const fs::path aside = folder.path() / str(".file.", ::getpid(), ".part");
  fs::create_symlink(victim, aside);
  REQUIRE(write_whole(file, "one"));
  fs::create_directories(aside / "deep");
  REQUIRE(write_whole(file, "two"));
  fs::remove(file);
  fs::create_symlink(victim, file);
  REQUIRE(write_whole(file, "three"));
  CHECK(fs::is_regular_file(fs::symlink_status(file)));
  CHECK(text_of(file) == "three");
  CHECK(text_of(victim) == "precious");
}

TEST_CASE("a folder that cannot be made is an error with its own path") {
  const TemporaryFolder folder;
  const fs::path deep = folder.path() / "a" / "b";
  REQUIRE(make_folder(deep));
  REQUIRE(make_folder(deep));
  CHECK(fs::is_directory(deep));
  const auto refused = make_folder(folder.write("file", "in the way") / "below");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::io);
  CHECK(refused.error().message.find("file/below: Not a directory") != std::string::npos);
}

TEST_CASE("a file that says so already is left alone") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "file";
  const auto inode = [&] {
    struct stat status {};
    REQUIRE(::stat(file.c_str(), &status) == 0);
    return status.st_ino;
  };
  REQUIRE(write_changed(file, "one"));
  const auto first = inode();
  REQUIRE(write_changed(file, "one"));
  CHECK(inode() == first);
  for (const char* other : {"two", "longer", ""}) {
    REQUIRE(write_changed(file, other));
    CHECK(text_of(file) == other);
  }
}

TEST_CASE("a path that no record could name is refused, and shown") {
  CHECK(check_can_be_named("/mod\xc3\xa9l", "MODEL"));
  const auto refused = check_can_be_named("/mod\xe9l", "MODEL");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::invalid_input);
  CHECK(refused.error().field == "MODEL");
  CHECK(refused.error().value == "/mod\xef\xbf\xbdl");
}

TEST_CASE("a folder's own files are those that lie in it, behind links too") {
  const TemporaryFolder folder, outside;
  const fs::path secret = outside.write("secret", "x");
  folder.write("own", "x");
  folder.write("deep/own", "x");
  fs::create_symlink("deep/own", folder.path() / "inner");
  fs::create_symlink(secret, folder.path() / "outer");
  fs::create_symlink(folder.path() / "outer", folder.path() / "twice");
  fs::create_symlink("nowhere", folder.path() / "dangling");
  fs::create_directory_symlink(outside.path(), folder.path() / "away");
  for (const char* name : {"own", "deep/own", "inner"})
    CHECK_MESSAGE(is_own_file(folder.path(), name), name);
  for (const char* name : {"outer", "twice", "dangling", "away", "away/secret", "deep", "absent",
                           "", "../own", "deep/../../x"})
    CHECK_MESSAGE(!is_own_file(folder.path(), name), name);
  CHECK_FALSE(is_own_file(folder.path(), secret));
}

TEST_CASE("a snapshot of Hugging Face's cache owns its blobs") {
  const TemporaryFolder cache, outside;
  const fs::path model = cache.path() / "models--maker--name";
  const fs::path snapshot = model / "snapshots" / "0123abc";
  cache.write("models--maker--name/blobs/one", "x");
  cache.write("models--maker--name/refs/main", "x");
  cache.write("models--maker--other/blobs/two", "x");
  fs::create_directories(snapshot / "onnx");
  fs::create_symlink("../../blobs/one", snapshot / "config.json");
  fs::create_symlink("../../../blobs/one", snapshot / "onnx" / "config.json");
  fs::create_symlink("../../refs/main", snapshot / "ref");
  fs::create_symlink("../../../models--maker--other/blobs/two", snapshot / "other");
  CHECK(is_own_file(snapshot, "config.json"));
  CHECK(is_own_file(snapshot / "onnx", "config.json"));
  CHECK_FALSE(is_own_file(snapshot, "ref"));
  CHECK_FALSE(is_own_file(snapshot, "other"));
  // Laid out so, but with blobs that lead elsewhere.
  outside.write("one", "x");
  fs::remove_all(model / "blobs");
  fs::create_directory_symlink(outside.path(), model / "blobs");
  CHECK_FALSE(is_own_file(snapshot, "config.json"));
}

TEST_CASE("links and pipes in a folder are refused, and a link in its place") {
  const auto refused = [](const fs::path& folder) {
    const auto result = refuse_links(folder);
    return !result && result.error().code == ErrorCode::corrupt;
  };
  const TemporaryFolder folder;
  folder.write("deep/file", "x");
  CHECK(refuse_links(folder.path()));
  fs::create_symlink("file", folder.path() / "deep" / "link");
  CHECK(refused(folder.path()));
  fs::remove(folder.path() / "deep" / "link");
  REQUIRE(::mkfifo((folder.path() / "deep" / "pipe").c_str(), 0600) == 0);
  CHECK(refused(folder.path()));
  fs::remove(folder.path() / "deep" / "pipe");
  fs::create_directory_symlink("deep", folder.path() / "golden");
  CHECK(refused(folder.path() / "golden"));
  CHECK(refused(folder.path()));
  CHECK(refused(folder.path() / "absent"));
}

TEST_CASE("a pipe in place of a file is not waited for") {
  const TemporaryFolder folder;
  const fs::path pipe = folder.path() / "pipe", link = folder.path() / "link";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_FALSE(read_text(pipe));
  CHECK_FALSE(sha256_file(pipe));
  fs::create_symlink(folder.write("file", "x"), link);
  CHECK(sha256_file(link));
  CHECK_FALSE(sha256_file(link, Links::refused));
}
