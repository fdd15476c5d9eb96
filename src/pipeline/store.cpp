// The store's housekeeping behind its public face.
#include "strop/store.h"

#include "core/json.h"
#include "report/store_text.h"
#include "store/inventory.h"
#include "strop/run.h"

namespace fs = std::filesystem;

namespace strop {
namespace {

std::uint64_t bytes_beside_artifacts(const fs::path& root) {
  std::uint64_t sum = 0;
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(root, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    std::error_code of_one;
    if (entry.depth() == 0 && entry->path().filename() == "artifacts")
      entry.disable_recursion_pending();
    else if (fs::is_regular_file(entry->symlink_status(of_one)))
      sum += std::min<std::uint64_t>(entry->file_size(of_one), of_one ? 0 : UINT64_MAX);
  }
  return sum;
}

}  // namespace

Result<StoreListing> store_list(std::optional<std::uint64_t> limit_bytes) {
  STROP_TRY(const Store store, Store::open_default());
  StoreListing listing{.folder = store.root().string(), .limit_bytes = limit_bytes};
  STROP_TRY(listing.artifacts, inventory(store));
  for (const StoredArtifact& one : listing.artifacts) listing.artifact_bytes += one.bytes;
  listing.other_bytes = bytes_beside_artifacts(store.root());
  return listing;
}

Result<StoreCheck> store_verify(Observer& observer, std::stop_token stop) {
  STROP_TRY(Store store, Store::open_default());
  const auto tell = [&](const StoredArtifact& one) {
    observer.on(
        {.kind = Event::Kind::work,
         .subject = str("checking ", one.model, " ", one.recipe, " ", one.id.substr(0, 12))});
  };
  return verify_all(store, tell, stop);
}

Result<StoreCleaning> store_gc(std::optional<std::uint64_t> limit_bytes) {
  STROP_TRY(Store store, Store::open_default());
  return clean(store, limit_bytes);
}

std::string to_json(const StoreListing& listing) { return text_of(encode(listing), 2); }
std::string to_json(const StoreCheck& check) { return text_of(encode(check), 2); }
std::string to_json(const StoreCleaning& cleaning) { return text_of(encode(cleaning), 2); }

std::string to_terminal(const StoreListing& listing, std::size_t width, bool colour, bool unicode) {
  return listing_text(listing, {.width = width, .colour = colour, .unicode = unicode});
}
std::string to_terminal(const StoreCheck& check, std::size_t width, bool colour, bool unicode) {
  return check_text(check, {.width = width, .colour = colour, .unicode = unicode});
}
std::string to_terminal(const StoreCleaning& cleaning, std::size_t width, bool colour,
                        bool unicode) {
  return cleaning_text(cleaning, {.width = width, .colour = colour, .unicode = unicode});
}

}  // namespace strop
