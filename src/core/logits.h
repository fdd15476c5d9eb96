// Rows of logits: are they sound, and which token leads.
#pragma once

#include <optional>
#include <span>

#include "strop/backend.h"

namespace strop {

// Rows go from hand to hand so many at a time, that the next finds them in a cache.
constexpr std::size_t kRowsTogether = 32;

bool all_finite(std::span<const float> row);
// Which of the rows is the first that is not.
std::optional<std::size_t> first_not_finite(const LogitRows& rows);

// The first of the largest. The row is finite and not empty.
TokenId argmax(std::span<const float> row);

}  // namespace strop
