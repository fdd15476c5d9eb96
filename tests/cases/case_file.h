// One text case, and how an answer is compared with it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/json.h"

namespace strop::cases {

struct Case {
  std::string name;
  std::string description;
  Json given;
  std::string verb;
  Json expect;        // null when an error is expected
  std::string error;  // regular expression
};

Result<Case> read_case(const std::filesystem::path& file);

// Every place where the answer differs from what is expected, as "path: is X, must be Y".
std::vector<std::string> differences(const Json& answer, const Json& expected,
                                     const std::string& path = "");

}  // namespace strop::cases
