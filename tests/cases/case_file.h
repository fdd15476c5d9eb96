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

// What is expected, with the answer's values where they differ; as far apart as it was before.
Json adopted(const Json& answer, const Json& expected);
// Writes another `expect` into a case file that has one.
Result<void> write_expect(const std::filesystem::path& file, const Json& expect);

}  // namespace strop::cases
