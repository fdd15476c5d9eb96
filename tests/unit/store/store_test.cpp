#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "core/hash.h"
#include "core/lock.h"
#include "store/journal.h"
#include "store/store.h"

namespace fs = std::filesystem;
using namespace strop;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / str("strop-store-test-", ::getpid());
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
};

Result<Artifact> write_one(const fs::path& folder) {
  std::ofstream(folder / "model.bin") << "weights";
  return Artifact{.format = "test", .entry = "model.bin", .files = {{.path = "model.bin"}}};
}

std::string text_of(const fs::path& path) {
  return {std::istreambuf_iterator<char>(std::ifstream(path).rdbuf()), {}};
}

}  // namespace

TEST_CASE("an artifact is built once and found again with digests and sizes") {
  const Folder folder;
  auto store = Store::open(folder.path);
  REQUIRE(store);
  int builds = 0;
  const auto build = [&](const fs::path& where) {
    ++builds;
    return write_one(where);
  };
  const auto first = store->artifact("abc", build);
  REQUIRE(first);
  CHECK(first->files[0].bytes == 7);
  CHECK(first->files[0].sha256 == sha256_hex("weights"));
  const auto second = store->artifact("abc", build);
  REQUIRE(second);
  CHECK(*first == *second);
  CHECK(builds == 1);
  CHECK(store->verify(*second));
}

TEST_CASE("an artifact that is removed while its user still holds it is made anew") {
  const Folder folder;
  auto store = Store::open(folder.path);
  REQUIRE(store);
  int builds = 0;
  const auto build = [&](const fs::path& where) {
    ++builds;
    return write_one(where);
  };
  const auto made = store->artifact("abc", build);
  REQUIRE(made);
  fs::remove_all(made->folder);
  REQUIRE(store->artifact("abc", build));
  CHECK(builds == 2);
}

TEST_CASE("a failed or interrupted build leaves nothing under the final name") {
  const Folder folder;
  auto store = Store::open(folder.path);
  REQUIRE(store);
  const auto failing = [](const fs::path& where) -> Result<Artifact> {
    std::ofstream(where / "half") << "x";
    return Error{.code = ErrorCode::crashed, .message = "died"};
  };
  CHECK_FALSE(store->artifact("abc", failing));
  CHECK_FALSE(store->has("abc"));
  CHECK(fs::is_empty(folder.path / "work"));
  fs::create_directories(folder.path / "work" / "abc");
  std::ofstream(folder.path / "work" / "abc" / "left over") << "x";
  const auto artifact = store->artifact("abc", write_one);
  REQUIRE(artifact);
  CHECK_FALSE(fs::exists(fs::path(artifact->folder) / "left over"));
}

TEST_CASE("an artifact may not name files outside of its folder or links") {
  const Folder folder;
  auto store = Store::open(folder.path);
  REQUIRE(store);
  CHECK_FALSE(store->artifact("a", [](const fs::path& where) -> Result<Artifact> {
    auto artifact = write_one(where);
    artifact->files.push_back({.path = "../x"});
    return artifact;
  }));
  CHECK_FALSE(store->artifact("b", [](const fs::path& where) -> Result<Artifact> {
    auto artifact = write_one(where);
    fs::create_symlink("/etc/passwd", where / "link");
    artifact->files.push_back({.path = "link"});
    return artifact;
  }));
}

TEST_CASE("an artifact may hold no link and no pipe, and none leads our writing away") {
  const Folder folder;
  auto store = Store::open(folder.path / "store");
  REQUIRE(store);
  const fs::path victim = folder.path / "victim", elsewhere = folder.path / "elsewhere";
  std::ofstream(victim) << "precious";
  fs::create_directories(elsewhere);
  const std::string aside = str(".artifact.json.", ::getpid(), ".part");
  const std::vector<std::function<void(const fs::path&)>> plants{
      [&](const fs::path& where) { fs::create_symlink(victim, where / aside); },
      [&](const fs::path& where) { fs::create_symlink(victim, where / "artifact.json"); },
      [&](const fs::path& where) { fs::create_directory_symlink(elsewhere, where / "golden"); },
      [&](const fs::path& where) { REQUIRE(::mkfifo((where / "pipe").c_str(), 0600) == 0); }};
  for (const auto& plant : plants) {
    const auto made = store->artifact("abc", [&](const fs::path& where) {
      plant(where);
      return write_one(where);
    });
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::corrupt);
    CHECK_FALSE(store->has("abc"));
  }
  CHECK(text_of(victim) == "precious");
  CHECK(fs::is_empty(elsewhere));
}

TEST_CASE("a manifest that names a file outside of its folder is corrupt") {
  const Folder folder;
  auto store = Store::open(folder.path);
  REQUIRE(store);
  const auto artifact = store->artifact("abc", write_one);
  REQUIRE(artifact);
  const fs::path manifest = fs::path(artifact->folder) / "artifact.json";
  const Json right = Json::parse(text_of(manifest));
  for (const char* outside : {"../model.bin", "/etc/passwd", "a/../../b", ""}) {
    for (const char* place : {"/entry", "/files/0/path"}) {
      CAPTURE(outside);
      CAPTURE(place);
      Json wrong = right;
      wrong[Json::json_pointer(place)] = outside;
      std::ofstream(manifest, std::ios::trunc) << wrong.dump();
      const auto read = store->manifest("abc");
      REQUIRE_FALSE(read);
      CHECK(read.error().code == ErrorCode::corrupt);
    }
  }
  std::ofstream(manifest, std::ios::trunc) << right.dump();
  CHECK(store->manifest("abc"));
}

TEST_CASE("verify neither waits for a pipe nor follows a link") {
  const Folder folder;
  auto store = Store::open(folder.path / "store");
  REQUIRE(store);
  const auto artifact = store->artifact("abc", write_one);
  REQUIRE(artifact);
  const fs::path file = fs::path(artifact->folder) / "model.bin";
  fs::rename(file, folder.path / "same");
  fs::create_symlink(folder.path / "same", file);
  CHECK_FALSE(store->verify(*artifact));
  fs::remove(file);
  REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
  CHECK_FALSE(store->verify(*artifact));
}

TEST_CASE("a changed file is found by verify") {
  const Folder folder;
  auto store = Store::open(folder.path);
  REQUIRE(store);
  const auto artifact = store->artifact("abc", write_one);
  REQUIRE(artifact);
  std::ofstream(fs::path(artifact->folder) / "model.bin") << "Weights";
  const auto verdict = store->verify(*artifact);
  REQUIRE_FALSE(verdict);
  CHECK(verdict.error().code == ErrorCode::corrupt);
}

TEST_CASE("a digest is taken anew when the file changes") {
  const Folder folder;
  auto store = Store::open(folder.path / "store");
  REQUIRE(store);
  const fs::path file = folder.path / "f";
  std::ofstream(file) << "one";
  CHECK(*store->digest(file) == sha256_hex("one"));
  std::ofstream(file) << "three";
  CHECK(*store->digest(file) == sha256_hex("three"));
}

TEST_CASE("a digest of several files changes with each of them and with their names") {
  const Folder folder;
  auto store = Store::open(folder.path / "store");
  REQUIRE(store);
  const auto one = folder.path / "model.onnx", two = folder.path / "model.onnx.data";
  std::ofstream(one) << "graph";
  std::ofstream(two) << "weights";
  CHECK(*store->digest_files(folder.path, {one}) == sha256_hex("graph"));
  const std::string both = *store->digest_files(folder.path, {two, one});
  CHECK(both == *store->digest_files(folder.path, {one, two}));
  CHECK(both != sha256_hex("graph"));
  std::ofstream(two) << "others!";
  CHECK(*store->digest_files(folder.path, {one, two}) != both);
  CHECK_FALSE(store->digest_files(folder.path, {one, folder.path / "absent"}));
}

TEST_CASE("a journal remembers what was appended, whatever it was cut at") {
  const Folder folder;
  const fs::path file = folder.path / "journal.jsonl";
  {
    auto journal = Journal::open(file);
    REQUIRE(journal);
    for (int i = 0; i < 3; ++i)
      REQUIRE(journal->append(
          {.key = str("k", i), .name = "n", .seconds = 1, .value = Json{{"i", i}}}));
  }
  const std::string whole = text_of(file);
  const std::size_t third = whole.size() / 3;
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    std::ofstream(file, std::ios::trunc) << whole.substr(0, cut);
    auto journal = Journal::open(file);
    REQUIRE(journal);
    REQUIRE(journal->records().size() == cut / third);
    REQUIRE(journal->append({.key = "new", .name = "n", .seconds = 1, .value = 1}));
    auto again = Journal::open(file);
    REQUIRE(again);
    REQUIRE(again->find("new") != nullptr);
    REQUIRE(again->records().size() == cut / third + 1);
  }
}

TEST_CASE("a journal line with a flipped bit ends what is believed") {
  const Folder folder;
  const fs::path file = folder.path / "journal.jsonl";
  {
    auto journal = Journal::open(file);
    for (int i = 0; i < 3; ++i)
      REQUIRE(journal->append({.key = str("k", i), .name = "n", .seconds = 1, .value = i}));
  }
  std::string text = text_of(file);
  text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 1);
  std::ofstream(file, std::ios::trunc) << text;
  auto journal = Journal::open(file);
  REQUIRE(journal);
  CHECK(journal->records().size() == 1);
}

TEST_CASE("a lock is held once") {
  const Folder folder;
  auto first = Lock::try_acquire(folder.path / "lock", "the folder");
  REQUIRE(first);
  const auto second = Lock::try_acquire(folder.path / "lock", "the folder");
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::busy);
}
