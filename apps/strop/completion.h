// Completion scripts and the manual page, made from the same description of the verbs as --help.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace strop::cli {

// "--name" of every option of the verb.
std::vector<std::string> flags(const CLI::App& verb);

std::string completion(const CLI::App& app, const std::string& shell);
std::string manual(const CLI::App& app);

}  // namespace strop::cli
