// Which instruction sets work. What the processor claims is not enough: hypervisors mask, kernels
// withhold state.
#pragma once

#include <string>
#include <vector>

namespace strop {

// Each candidate is executed once in a child process; those whose child ends well, in a fixed
// order.
std::vector<std::string> working_instruction_sets();

}  // namespace strop
