// Toolchains: workers written in Python, each in an isolated environment of its own that the user
// installs once. They lie in PREFIX/share/strop/toolchains/NAME, their environments in the store.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "strop/result.h"
#include "strop/run.h"

namespace strop {

enum class ToolchainState { not_installed, installed, broken };

struct ToolchainInfo {
  std::string name;                   // as recipes name its worker: nncf
  std::string title;                  // with its version
  std::string purpose;                // what it is good for, one phrase
  std::uint64_t download_bytes = 0;   // of an installation, as measured when it was pinned
  std::uint64_t installed_bytes = 0;  // likewise, on disk
  ToolchainState state = ToolchainState::not_installed;
  std::string problem;                      // why it is broken
  std::string folder;                       // of its environment; empty when there is none
  std::string python;                       // version of the environment's Python
  std::optional<std::uint64_t> disk_bytes;  // what the environment takes on this disk
  bool operator==(const ToolchainInfo&) const = default;
};

// Every toolchain that ships with this Strop, by name. Looks at what can be seen at once.
Result<std::vector<ToolchainInfo>> toolchains();

// Makes the environment when there is none that is whole: with uv when it is there, else with venv
// and pip, every package by version and hash. Fails with not_found when no such toolchain ships or
// no suitable Python is there, with io when packages cannot be had; nothing half-made stays.
Result<ToolchainInfo> install_toolchain(const std::string& name, Observer& observer,
                                        std::stop_token stop);

// Compares every file of the environment with what was installed and asks its worker what it is.
Result<ToolchainInfo> check_toolchain(const std::string& name);

// Removes the environment, and those that earlier versions of Strop made for it.
Result<ToolchainInfo> remove_toolchain(const std::string& name);

// An array for several, an object for one.
std::string to_json(const std::vector<ToolchainInfo>& all);
std::string to_json(const ToolchainInfo& one);

}  // namespace strop
