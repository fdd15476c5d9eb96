#include "core/parallel.h"

#include <algorithm>
#include <exception>
#include <thread>
#include <vector>

#include "core/os.h"

namespace strop {
namespace {

constexpr std::size_t kLeastPerThread = 4;  // a thread takes longer to begin than a row to read

// The calls from begin to end, to what they threw.
std::exception_ptr call_each(std::size_t begin, std::size_t end,
                             const std::function<void(std::size_t)>& use) {
  try {
    for (std::size_t i = begin; i < end; ++i) use(i);
    return nullptr;
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace

void for_each_parallel(std::size_t count, const std::function<void(std::size_t)>& use) {
  const std::size_t shares =
      count < 2 * kLeastPerThread
          ? 1
          : std::min<std::size_t>(os::usable_cores(), count / kLeastPerThread);
  std::vector<std::exception_ptr> thrown(shares);
  {
    std::vector<std::jthread> others;
    for (std::size_t share = 1; share < shares; ++share)
      others.emplace_back([&, share] {
        thrown[share] = call_each(count * share / shares, count * (share + 1) / shares, use);
      });
    thrown[0] = call_each(0, count / shares, use);
  }
  for (const std::exception_ptr& one : thrown)
    if (one) std::rethrow_exception(one);
}

}  // namespace strop
