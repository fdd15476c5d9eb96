// Where the artifact will run: this machine as probed, or a target profile.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "strop/result.h"
#include "strop/target.h"

namespace strop {

// What this process can use here: processors within affinity and control groups, instruction sets
// that worked when executed, memory, accelerators. `storage`: where artifacts go; its free space is
// the target's storage.
Result<Target> probe_machine(const std::filesystem::path& storage);

// The profile of that name in the folder, or the file itself. Its timings cannot be measured here.
Result<Target> load_target(const std::string& name_or_file,
                           const std::filesystem::path& targets_folder);

// Row of the hardware platform matrix.
std::string platform_of(const Target& target);

// Hash of what stays the same from run to run: not of free storage, of free memory or of the name.
std::string id_of_target(const Target& target);

}  // namespace strop
