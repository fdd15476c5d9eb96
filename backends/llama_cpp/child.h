// A program run aside, to try something that may crash or hang.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "strop/result.h"

namespace strop::llama_cpp {

struct ChildEnd {
  std::string output;   // stdout, at most 64 KiB
  std::string failure;  // a crash or a hang in words; empty when it ended by itself
};

// Fails only when the program cannot be started.
Result<ChildEnd> run_aside(const std::filesystem::path& program,
                           const std::vector<std::string>& arguments,
                           std::chrono::milliseconds timeout);

}  // namespace strop::llama_cpp
