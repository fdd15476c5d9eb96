// A user of the installed library: says which engines it finds.
#include <strop/run.h>
#include <strop/version.h>

#include <iostream>

int main() {
  std::cout << "strop " << strop::version() << "\n";
  std::size_t ready = 0;
  for (const strop::BackendInfo& info : strop::backends(true)) {
    std::cout << info.name << ": " << info.unavailable_reason << "\n";
    ready += info.unavailable_reason.empty() ? 1 : 0;
  }
  return ready >= 2 ? 0 : 1;
}
