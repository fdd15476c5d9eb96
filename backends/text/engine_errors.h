// The engine's own words about what failed, for our error messages.
#pragma once

#include <string>

namespace strop::text {

// Takes over llama.cpp's logging: errors are kept, nothing is printed.
void keep_engine_errors();

// The errors since the last call, on one line.
std::string take_engine_errors();

}  // namespace strop::text
