// What the engine says while it works, kept for the error message; nothing of it is printed.
#pragma once

#include <string>
#include <string_view>

namespace strop::llama_cpp {

// Takes over the logging of llama.cpp and ggml, once per process.
void capture_engine_log();

// Forgets what was said so far.
void clear_engine_log();

// The last few warnings and errors on one line, oldest first; empty when there were none.
std::string engine_complaints();

}  // namespace strop::llama_cpp
