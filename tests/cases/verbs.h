// What a case can run.
#pragma once

#include <filesystem>
#include <string>

#include "core/json.h"

namespace strop::cases {

// The stage's answer to `given`, by the rules in `share`.
Result<Json> run(const std::string& verb, const Json& given, const std::filesystem::path& share);

}  // namespace strop::cases
