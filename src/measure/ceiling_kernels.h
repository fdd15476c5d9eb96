// The two loops of ceilings.h, in the widest vectors that the processor has.
#pragma once

#include <cstdint>
#include <span>

namespace strop::measure {

// Reads every value once; the sum keeps the reads from being left out.
float read_and_sum(std::span<const float> values);

// Independent chains of multiply-add that stay in registers.
float multiply_add(std::uint64_t rounds);
std::uint64_t operations_per_round();

}  // namespace strop::measure
