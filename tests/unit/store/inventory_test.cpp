#include "store/inventory.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

namespace fs = std::filesystem;
using namespace strop;

namespace {

struct Place {
  fs::path path = fs::temp_directory_path() / str("strop-inventory-test-", ::getpid());
  Place() { fs::create_directories(path); }
  ~Place() { fs::remove_all(path); }
};

// An artifact of that many bytes, in a process that ends: nobody holds it afterwards.
void add(const fs::path& root, const std::string& id, std::size_t bytes,
         const fs::path& run_folder = {}) {
  auto store = Store::open(root);
  REQUIRE(store);
  const auto made = store->artifact(id, [&](const fs::path& where) -> Result<Artifact> {
    std::ofstream(where / "weights") << std::string(bytes, 'w');
    return Artifact{.format = "test", .entry = "weights", .files = {{.path = "weights"}}};
  });
  REQUIRE(made);
  REQUIRE(store->note_use(id, {.model = "model", .recipe = "x " + id, .run_folder = run_folder}));
}

fs::path run_folder(const Place& place, const std::string& name) {
  fs::create_directories(place.path / name);
  std::ofstream(place.path / name / "run.json") << "{}";
  return place.path / name;
}

void used_hours_ago(const fs::path& root, const std::string& id, int hours) {
  fs::last_write_time(root / "uses" / id,
                      fs::file_time_type::clock::now() - std::chrono::hours(hours));
}

std::vector<std::string> ids(const std::vector<StoredArtifact>& all) {
  std::vector<std::string> out;
  for (const StoredArtifact& one : all) out.push_back(one.id);
  return out;
}

}  // namespace

TEST_CASE("the inventory says what is there, who needs it, and what was used last") {
  const Place place;
  const fs::path root = place.path / "store";
  add(root, "old", 100);
  add(root, "new", 1000, run_folder(place, "run"));
  used_hours_ago(root, "old", 5);
  auto store = Store::open(root);
  const auto all = inventory(*store);
  REQUIRE(all);
  CHECK(ids(*all) == std::vector<std::string>{"new", "old"});
  CHECK((*all)[0].needed == std::vector<std::string>{(place.path / "run").string()});
  CHECK((*all)[0].recipe == "x new");
  CHECK((*all)[0].bytes >= 1000);
  CHECK((*all)[1].needed.empty());
  CHECK_FALSE((*all)[1].in_use);
  CHECK((*all)[1].last_used < (*all)[0].last_used);
}

TEST_CASE("a clean-up removes what no run folder needs, and nothing else") {
  const Place place;
  const fs::path root = place.path / "store";
  add(root, "needed", 10, run_folder(place, "run"));
  add(root, "orphan", 10, run_folder(place, "gone"));
  add(root, "loose", 10);
  fs::remove_all(place.path / "gone");
  auto store = Store::open(root);
  const auto cleaned = clean(*store, std::nullopt);
  REQUIRE(cleaned);
  CHECK(ids(cleaned->kept) == std::vector<std::string>{"needed"});
  CHECK(cleaned->removed.size() == 2);
  CHECK(cleaned->freed_bytes >= 20);
  CHECK(store->has("needed"));
  CHECK_FALSE(store->has("orphan"));
  CHECK(fs::is_empty(root / "work"));
}

TEST_CASE("a limit removes the least recently used first, and only as much as it takes") {
  const Place place;
  const fs::path root = place.path / "store";
  for (const auto& [id, hours] : {std::pair("a", 3), std::pair("b", 9), std::pair("c", 6)}) {
    add(root, id, 10'000);
    used_hours_ago(root, id, hours);
  }
  auto store = Store::open(root);
  const auto cleaned = clean(*store, 25'000);
  REQUIRE(cleaned);
  CHECK(ids(cleaned->removed) == std::vector<std::string>{"b"});
  CHECK(cleaned->kept_bytes <= 25'000);
  CHECK(ids(clean(*store, 0)->kept).empty());
}

TEST_CASE("what is in use is left alone") {
  const Place place;
  const fs::path root = place.path / "store";
  add(root, "used", 10);
  auto store = Store::open(root);
  {
    auto other = Store::open(root);
    REQUIRE(*other->hold("used"));
    CHECK(inventory(*store)->front().in_use);
    CHECK(clean(*store, 0)->removed.empty());
    CHECK(store->has("used"));
  }
  CHECK(clean(*store, 0)->removed.size() == 1);
}

TEST_CASE("work that is going on is left alone, abandoned work is cleared") {
  const Place place;
  const fs::path root = place.path / "store";
  auto store = Store::open(root);
  const fs::path live = root / "work" / "scratch.1.1", dead = root / "work" / "scratch.2.1";
  const fs::path building = root / "work" / "id1", abandoned = root / "work" / "id2";
  for (const fs::path& folder : {live, dead, building, abandoned}) fs::create_directories(folder);
  const auto session = Lock::try_folder(live, "a scratch folder");
  const auto build = Lock::acquire(root / "locks" / "id1", "the artifact");
  REQUIRE(session);
  REQUIRE(build);
  REQUIRE(clean(*store, std::nullopt));
  CHECK(fs::exists(live));
  CHECK(fs::exists(building));
  CHECK_FALSE(fs::exists(dead));
  CHECK_FALSE(fs::exists(abandoned));
}

TEST_CASE("verify finds every kind of damage and sets it aside; the next build makes it anew") {
  const Place place;
  const fs::path root = place.path / "store";
  for (const char* id : {"whole", "flipped", "cut", "gone", "manifest"}) add(root, id, 1000);
  std::ofstream(root / "artifacts" / "flipped" / "weights") << std::string(999, 'w') << "x";
  fs::resize_file(root / "artifacts" / "cut" / "weights", 10);
  fs::remove(root / "artifacts" / "gone" / "weights");
  std::ofstream(root / "artifacts" / "manifest" / "artifact.json") << "{";
  auto store = Store::open(root);
  const auto check = verify_all(*store, [](const StoredArtifact&) {}, {});
  REQUIRE(check);
  CHECK(check->checked == 5);
  REQUIRE(check->broken.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK_FALSE(check->broken[i].problem.empty());
    CHECK(fs::exists(check->quarantine[i]));
    CHECK_FALSE(store->has(check->broken[i].id));
  }
  CHECK(store->has("whole"));
  add(root, "cut", 1000);
  CHECK(verify_all(*store, [](const StoredArtifact&) {}, {})->broken.empty());
}

TEST_CASE("an artifact that a power loss cut short is made anew by the next run") {
  const Place place;
  const fs::path root = place.path / "store";
  add(root, "cut", 1000);
  fs::resize_file(root / "artifacts" / "cut" / "weights", 10);
  add(root, "cut", 1000);
  CHECK(fs::file_size(root / "artifacts" / "cut" / "weights") == 1000);
  CHECK(std::distance(fs::directory_iterator(root / "quarantine"), {}) == 1);
}
