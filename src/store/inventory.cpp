#include "store/inventory.h"

#include <algorithm>
#include <chrono>
#include <ctime>

#include "core/files.h"
#include "core/json.h"
#include "core/stop.h"

namespace fs = std::filesystem;

namespace strop {
namespace {

std::uint64_t bytes_of(const fs::path& path) {
  std::error_code error;
  if (fs::is_regular_file(fs::symlink_status(path, error))) return fs::file_size(path, error);
  std::uint64_t sum = 0;
  for (auto entry = fs::recursive_directory_iterator(path, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    std::error_code of_one;  // a file may go away while its folder is read
    const bool regular = fs::is_regular_file(entry->symlink_status(of_one));
    const std::uint64_t bytes = regular ? entry->file_size(of_one) : 0;
    if (!of_one) sum += bytes;
  }
  return sum;
}

std::string as_date(fs::file_time_type time) {
  const auto system =
      std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::file_clock::to_sys(time));
  const std::time_t seconds = std::chrono::system_clock::to_time_t(system);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::string text(20, '\0');
  std::strftime(text.data(), text.size() + 1, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::string last_use(const Store& store, const std::string& id) {
  std::error_code error;
  auto time = fs::last_write_time(store.root() / "uses" / id, error);
  if (error) time = fs::last_write_time(store.root() / "artifacts" / id, error);
  return error ? "" : as_date(time);
}

// Of a run, of a report that was made stage by stage, or of measurements for one.
bool is_run_folder(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / "run.json", error) || fs::exists(folder / "report.json", error) ||
         fs::exists(folder / "samples", error);
}

// Run folders that note_use recorded and that are still run folders.
std::vector<std::string> needed_by(const Store& store, const std::string& id) {
  std::vector<std::string> folders;
  for (const fs::path& file : sorted_entries(store.root() / "uses" / id)) {
    if (file.extension() != ".run") continue;
    const auto folder = read_text(file, 64u << 10);
    if (folder && is_run_folder(*folder)) folders.push_back(*folder);
  }
  return folders;
}

Result<Lock> alone(const Store& store, const std::string& id) {
  return Lock::try_acquire(store.root() / "locks" / id, "the artifact");
}

StoredArtifact look_at(const Store& store, const std::string& id) {
  StoredArtifact one{.id = id,
                     .bytes = bytes_of(store.root() / "artifacts" / id),
                     .last_used = last_use(store, id),
                     .needed = needed_by(store, id),
                     .in_use = !alone(store, id)};
  const auto artifact = store.manifest(id);
  if (!artifact) {
    one.problem = artifact.error().message;
  } else {
    one.format = artifact->format;
    one.recipe = artifact->backend + ", an intermediate step";
  }
  const auto about = read_text(store.root() / "uses" / id / "about.json", 64u << 10);
  const auto words = about ? parse_json(*about, "about.json") : Result<Json>(Json());
  if (words && words->is_object()) {
    one.model = words->value("model", "");
    one.recipe = words->value("recipe", "");
  }
  return one;
}

void remove(const fs::path& path, std::uint64_t& freed) {
  const std::uint64_t bytes = bytes_of(path);
  std::error_code error;
  fs::remove_all(path, error);
  if (!error) freed += bytes;
}

// What interrupted builds and sessions left: nobody holds its lock.
void clear_work(const Store& store, std::uint64_t& freed) {
  for (const fs::path& folder : sorted_entries(store.root() / "work")) {
    const std::string name = folder.filename().string();
    const auto lock = name.starts_with("scratch.") ? Lock::try_folder(folder, "a scratch folder")
                                                   : alone(store, name);
    if (lock) remove(folder, freed);
  }
}

// Aside first, so that an artifact is whole or gone whenever this is interrupted.
bool take_away(const Store& store, const std::string& id, std::uint64_t& freed) {
  const fs::path aside = store.root() / "work" / id;
  std::error_code error;
  fs::remove_all(aside, error);
  fs::rename(store.root() / "artifacts" / id, aside, error);
  if (error) return false;
  remove(aside, freed);
  fs::remove_all(store.root() / "uses" / id, error);
  return true;
}

}  // namespace

Result<std::vector<StoredArtifact>> inventory(const Store& store) {
  std::vector<StoredArtifact> all;
  for (const fs::path& folder : sorted_entries(store.root() / "artifacts"))
    all.push_back(look_at(store, folder.filename().string()));
  std::stable_sort(all.begin(), all.end(), [](const StoredArtifact& a, const StoredArtifact& b) {
    return a.last_used > b.last_used;
  });
  return all;
}

Result<StoreCheck> verify_all(Store& store, const std::function<void(const StoredArtifact&)>& tell,
                              std::stop_token stop) {
  StoreCheck check;
  STROP_TRY(const auto all, inventory(store));
  for (StoredArtifact one : all) {
    STROP_CHECK(check_stop(stop));
    tell(one);
    const auto artifact = store.manifest(one.id);
    const auto whole = artifact ? store.verify(*artifact) : Result<void>(artifact.error());
    // Removed by somebody else meanwhile: nothing to complain of.
    if (!artifact && !store.has(one.id) && one.problem.empty()) continue;
    ++check.checked;
    check.bytes += one.bytes;
    if (whole) continue;
    one.problem = whole.error().message;
    std::string place;
    if (const auto lock = alone(store, one.id)) {
      STROP_TRY(const fs::path moved, store.quarantine(one.id));
      place = moved.string();
    }
    check.broken.push_back(std::move(one));
    check.quarantine.push_back(place);
  }
  return check;
}

Result<StoreCleaning> clean(Store& store, std::optional<std::uint64_t> limit_bytes) {
  auto turn = Lock::try_acquire(store.root() / "locks" / "clean", "the clean-up of the store");
  if (!turn) {
    turn.error().hint = "Wait for it to finish.";
    return std::move(turn).error();
  }
  StoreCleaning cleaning{.limit_bytes = limit_bytes};
  clear_work(store, cleaning.freed_bytes);
  for (const fs::path& folder : sorted_entries(store.root() / "quarantine"))
    remove(folder, cleaning.freed_bytes);
  STROP_TRY(auto all, inventory(store));
  for (const StoredArtifact& one : all) cleaning.kept_bytes += one.bytes;
  std::reverse(all.begin(), all.end());  // the least recently used first
  for (const StoredArtifact& one : all) {
    const bool enough = limit_bytes && cleaning.kept_bytes <= *limit_bytes;
    const auto lock = enough || !one.needed.empty() ? Result<Lock>(Error{}) : alone(store, one.id);
    // A run may have begun to need it since it was looked at.
    const bool goes =
        lock && needed_by(store, one.id).empty() && take_away(store, one.id, cleaning.freed_bytes);
    if (goes) {
      cleaning.kept_bytes -= one.bytes;
      cleaning.removed.push_back(one);
    } else {
      cleaning.kept.push_back(one);
    }
  }
  std::reverse(cleaning.kept.begin(), cleaning.kept.end());
  return cleaning;
}

}  // namespace strop
