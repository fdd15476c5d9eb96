// Long loops ask between their steps whether they shall go on.
#pragma once

#include <stop_token>

#include "strop/result.h"

namespace strop {

// Fails with cancelled once a stop was requested.
inline Result<void> check_stop(const std::stop_token& stop) {
  if (!stop.stop_requested()) return {};
  return Error{ErrorCode::cancelled, "interrupted"};
}

}  // namespace strop
