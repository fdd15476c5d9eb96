#include "strop/result.h"

#include <stdexcept>

namespace strop {

void assertion_failed(const char* condition, const char* file, int line,
                      const std::string& message) {
  throw std::logic_error(str(file, ":", line, ": ", message, " (", condition, ")"));
}

}  // namespace strop
