// What a finished run is pinned by.
#pragma once

#include "pipeline/context.h"
#include "strop/lock_file.h"
#include "strop/report.h"

namespace strop::pipeline {

inline constexpr const char* kLockFile = "strop.lock.json";

// Digests of the data and the workers as they are now, and what the report found out.
Result<LockFile> lock_file_of(const Report& report, Context& context);

}  // namespace strop::pipeline
