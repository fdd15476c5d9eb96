// Flags from a file.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

#include "strop/result.h"

namespace strop::cli {

// The arguments with those of the file that --config names, a TOML or INI file of flags without
// their dashes. A flag that the arguments have already is not taken from the file. Fails with
// not_found, or with invalid_input for a line that is no flag of the verb.
Result<std::vector<std::string>> with_config(const CLI::App& verb,
                                             std::vector<std::string> arguments);

}  // namespace strop::cli
