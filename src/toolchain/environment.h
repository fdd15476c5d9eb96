// The environment of a toolchain on this machine: ROOT/NAME/DIGEST, where DIGEST is that of the
// lock file, so that another version of Strop makes its own. It is made aside and renamed; its
// stamp is written last, so that half an environment is never taken for a whole one.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/proxy.h"
#include "toolchain/manifest.h"

namespace strop::toolchain {

// What the stamp says of a finished environment.
struct Stamp {
  std::string python;                   // version
  std::string executable;               // the interpreter itself, behind every link
  std::vector<std::string> libraries;   // folders of the interpreter's own library
  std::vector<std::string> locks = {};  // names of the lock files that it was filled from
  bool operator==(const Stamp&) const = default;
};

struct Environment {
  std::filesystem::path folder;
  std::optional<Stamp> stamp;  // none: not installed
  std::string problem;         // not empty: broken, and why

  std::filesystem::path python() const { return folder / "bin" / "python"; }
  bool usable() const { return stamp && problem.empty(); }
};

// What can be seen without starting anything.
Result<Environment> look(const Manifest& manifest, const std::filesystem::path& root);

// How its worker is started; `missing` is set when the environment is not usable.
WorkerCommand worker_command(const Manifest& manifest, const std::filesystem::path& root);

// Every difference between the environment and its lock file; empty when it is whole.
Result<std::vector<std::string>> differences(const Manifest& manifest,
                                             const Environment& environment, std::stop_token stop);

using Tell = std::function<void(double fraction, std::string_view what)>;

// Makes the environment anew. The caller holds the lock of `root`/NAME.
Result<void> make(const Manifest& manifest, const std::filesystem::path& root, const Tell& tell,
                  std::stop_token stop);

// Removes every environment of that name, finished or not.
Result<void> remove(const std::string& name, const std::filesystem::path& root);

// Bytes of the folder's files on disk; nothing when there is none.
std::optional<std::uint64_t> disk_use(const std::filesystem::path& folder);

}  // namespace strop::toolchain
