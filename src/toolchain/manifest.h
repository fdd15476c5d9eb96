// What ships of a toolchain: its folder with toolchain.json, requirements.txt and worker.py.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strop/result.h"

namespace strop::toolchain {

// Of Python: 3.11.
struct Version {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  auto operator<=>(const Version&) const = default;
};
// Nothing but "3.11" and "3.11.7" is one.
std::optional<Version> parse_version(std::string_view text);
std::string to_text(const Version& version);

// Packages of which there are two builds: one with the libraries of accelerators and one without.
// The plain one is taken where the user's index has it.
struct Builds {
  std::string plain;                 // file name of the lock
  std::string accelerated;           // likewise
  std::uint64_t download_bytes = 0;  // of the accelerated one
};

struct Manifest {
  std::string name;
  std::string title;
  std::string purpose;
  Version python_oldest;
  Version python_newest;
  std::uint64_t download_bytes = 0;
  std::uint64_t disk_bytes = 0;
  // Variables of its worker, such as those that keep it off the network and from reporting home.
  std::map<std::string, std::string> environment;
  std::optional<Builds> builds;
  std::filesystem::path folder;

  std::filesystem::path lock() const { return folder / "requirements.txt"; }
  std::filesystem::path worker() const { return folder / "worker.py"; }
};

// Every toolchain in the folder, by name; empty when there is no such folder.
Result<std::vector<Manifest>> read_manifests(const std::filesystem::path& folder);

}  // namespace strop::toolchain
