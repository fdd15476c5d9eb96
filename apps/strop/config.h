// Flags from a file.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

#include "strop/result.h"

namespace strop::cli {

// The arguments with those of the file that --config names, a TOML or INI file of flags without
// their dashes. A flag that the arguments have already, by any of its names, is not taken from the
// file. An array gives a flag that may be repeated once per element. Fails with not_found, or with
// invalid_input for a line that is no flag of the verb, no NAME = VALUE, or no true or false of a
// switch.
Result<std::vector<std::string>> with_config(const CLI::App& verb,
                                             std::vector<std::string> arguments);

}  // namespace strop::cli
