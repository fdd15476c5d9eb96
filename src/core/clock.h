// The date as people and records write it, and how long something takes.
#pragma once

#include <chrono>
#include <string>

namespace strop {

// ISO 8601 in UTC, to the second.
std::string now_utc();

// Runs from its making, on the steady clock.
class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace strop
