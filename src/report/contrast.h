// Two things side by side, and one thing under load, as text for a terminal.
#pragma once

#include <string>

#include "strop/measure.h"

namespace strop {

// Both end in a newline; no line is wider than `width`, at least 80.
std::string contrast_text(const Contrast& contrast, std::size_t width, bool unicode);
std::string load_text(const LoadOutcome& outcome, std::size_t width, bool unicode);

}  // namespace strop
