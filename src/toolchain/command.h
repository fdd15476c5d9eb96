// A tool of the user's machine, run to its end with its output read line by line.
#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "strop/result.h"

namespace strop::toolchain {

struct Command {
  std::filesystem::path program;
  std::vector<std::string> arguments;
  std::vector<std::string> environment = {};  // NAME=value, on top of the user's
};

struct Finished {
  int status = 0;          // exit code; 128 and the signal's number when one ended it
  std::string last_lines;  // of its output, as one line
  std::string first_line;
};

// Runs with the user's environment and network. `line` gets every line as it comes. Fails when the
// program cannot be started, and with cancelled, after the whole process group was ended, when
// `stop` asks for it.
Result<Finished> run(const Command& command, std::stop_token stop,
                     const std::function<void(std::string_view)>& line = {});

// The program of that name in PATH; empty when there is none.
std::filesystem::path find_program(std::string_view name);

}  // namespace strop::toolchain
