// What of a file that ships could run code, or make a chat template do more than format.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "strop/result.h"

namespace strop::formats {

// Sentences about the file, none when it is data only: a program or script, a pickle or archive, a
// graph that asks for operators of a library of its own. Fails as reading the file's format fails.
Result<std::vector<std::string>> code_in(const std::filesystem::path& file);

// Sentences about a chat template. It may loop, choose, set and print, and nothing else: no names
// of Python's inner workings, no import or include of other files.
std::vector<std::string> template_hazards(std::string_view text);

// The chat template that the file or folder carries; empty when it carries none.
Result<std::string> chat_template_in(const std::filesystem::path& file);

}  // namespace strop::formats
