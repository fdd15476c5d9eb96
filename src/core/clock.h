// The date as people and records write it.
#pragma once

#include <string>

namespace strop {

// ISO 8601 in UTC, to the second.
std::string now_utc();

}  // namespace strop
