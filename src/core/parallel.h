// Independent pieces of work on all cores.
#pragma once

#include <cstddef>
#include <functional>

namespace strop {

// Calls use(i) for every i below count, from several threads at once where there is enough to share
// out: a call may touch only what belongs to its i. Returns when all are done; what a call throws
// is thrown again here, and some calls may then not have been made.
void for_each_parallel(std::size_t count, const std::function<void(std::size_t)>& use);

}  // namespace strop
