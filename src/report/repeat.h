// A run held against the lock file that it repeats.
#pragma once

#include "report/terminal.h"
#include "strop/lock_file.h"

namespace strop {

// Pure. Trials are matched by id, numbers by metric and context but for how many inferences make a
// request, which the clock decides.
Repeat repeat_of(const LockFile& before, const LockFile& now);

// Ends in a newline.
std::string repeat_text(const Repeat& repeat, const TerminalStyle& style);

}  // namespace strop
