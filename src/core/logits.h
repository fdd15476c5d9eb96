// Rows of logits: are they sound, and which token leads.
#pragma once

#include <span>

#include "strop/backend.h"

namespace strop {

bool all_finite(std::span<const float> row);

// The first of the largest. The row is finite and not empty.
TokenId argmax(std::span<const float> row);

}  // namespace strop
