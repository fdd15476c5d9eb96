// Rows of logits: are they sound, and which token leads.
#pragma once

#include <span>

#include "strop/backend.h"

namespace strop {

struct RowExtremes {
  float lowest = 0;
  float highest = 0;
  TokenId leader = 0;   // the first of the highest
  bool finite = false;  // where not, the others mean nothing
};

// In one look at each value. The row is not empty.
RowExtremes extremes_of(std::span<const float> row);

// A row may be empty.
bool all_finite(std::span<const float> row);

}  // namespace strop
