// Quantities in the words of messages.
#pragma once

#include <cstdint>
#include <string>

namespace strop {

// "64.1 MiB", by the largest binary unit that leaves at least one.
std::string bytes_text(std::uint64_t bytes);
// At most three digits that count: "0.953", "12.4", "1870".
std::string number_text(double value);

}  // namespace strop
