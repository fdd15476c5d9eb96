// The user's store of artifacts, as people look after it: what is in it, whether it is whole, and
// making room.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "strop/result.h"

namespace strop {

class Observer;

struct StoredArtifact {
  std::string id;
  std::string model;   // name of the model it was made from; empty when not recorded
  std::string recipe;  // framework and recipe, or the step where it is an intermediate
  std::string format;
  std::uint64_t bytes = 0;          // on disk
  std::string last_used;            // ISO 8601, UTC
  std::vector<std::string> needed;  // run folders that exist and need it
  bool in_use = false;              // by a strop that runs now
  std::string problem;              // why it is not whole; empty: nothing is known to be wrong
  bool operator==(const StoredArtifact&) const = default;
};

struct StoreListing {
  std::string folder;
  std::vector<StoredArtifact> artifacts;  // the one used last first
  std::uint64_t artifact_bytes = 0;
  std::uint64_t other_bytes = 0;  // unfinished work, quarantine, toolchains
  std::optional<std::uint64_t> limit_bytes;
  bool operator==(const StoreListing&) const = default;
};

struct StoreCheck {
  std::uint32_t checked = 0;
  std::uint64_t bytes = 0;
  std::vector<StoredArtifact> broken;   // with their problems
  std::vector<std::string> quarantine;  // where they lie now, in the same order; empty: still there
  bool operator==(const StoreCheck&) const = default;
};

struct StoreCleaning {
  std::vector<StoredArtifact> removed;
  std::uint64_t freed_bytes = 0;  // leftovers of interrupted work included
  std::uint64_t kept_bytes = 0;   // of artifacts
  std::optional<std::uint64_t> limit_bytes;
  std::vector<StoredArtifact> kept;  // with what needs them
  bool operator==(const StoreCleaning&) const = default;
};

Result<StoreListing> store_list(std::optional<std::uint64_t> limit_bytes);
Result<StoreCheck> store_verify(Observer& observer, std::stop_token stop);
Result<StoreCleaning> store_gc(std::optional<std::uint64_t> limit_bytes);

std::string to_json(const StoreListing&);
std::string to_json(const StoreCheck&);
std::string to_json(const StoreCleaning&);

std::string to_terminal(const StoreListing&, std::size_t width, bool colour, bool unicode);
std::string to_terminal(const StoreCheck&, std::size_t width, bool colour, bool unicode);
std::string to_terminal(const StoreCleaning&, std::size_t width, bool colour, bool unicode);

}  // namespace strop
