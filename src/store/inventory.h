// What lies in the store, whether it is whole, and what may go: the store's housekeeping. Safe
// beside runs: an artifact that somebody uses is locked, and left alone.
#pragma once

#include <optional>
#include <stop_token>

#include "store/store.h"
#include "strop/store.h"

namespace strop {

// Every artifact, the one used last first.
Result<std::vector<StoredArtifact>> inventory(const Store& store);

// Reads every file of every artifact and compares it with its digest. One that differs is taken out
// of the store, unless somebody uses it now; `problem` says which.
Result<StoreCheck> verify_all(Store& store, const std::function<void(const StoredArtifact&)>& tell,
                              std::stop_token stop);

// Removes what no existing run folder needs, the least recently used first: all of it, or with a
// limit only as much as brings the store below it. Removes what interrupted work left behind, and
// what was quarantined. Fails with busy when another clean-up is going on.
Result<StoreCleaning> clean(Store& store, std::optional<std::uint64_t> limit_bytes);

}  // namespace strop
