// The report as a table for a terminal: the verdict in a screenful, for an engineer with ten
// minutes.
#pragma once

#include <cstddef>
#include <string>

#include "strop/report.h"

namespace strop {

struct TerminalStyle {
  std::size_t width = 100;  // columns; fewer than 80 are treated as 80
  bool colour = false;      // ANSI colours; off where the output is not a terminal
  bool unicode = false;     // off: ASCII only
};

// Ends in a newline. No line is wider than the style's width.
std::string terminal_table(const Report& report, const TerminalStyle& style);

}  // namespace strop
