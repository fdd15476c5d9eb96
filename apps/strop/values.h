// Values people write: sizes, times, ratios. Each names its rule when it refuses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "strop/result.h"

namespace strop::cli {

// "1.5GiB", "100MB", "4096": bytes.
Result<std::uint64_t> parse_size(std::string_view text);
// "90s", "5m", "1.5h", "20ms": seconds.
Result<double> parse_seconds(std::string_view text);
// "0.95" or "95%": a ratio from 0 to 1.
Result<double> parse_ratio(std::string_view text);
// "3 min 20 s".
std::string show_seconds(double seconds);

// The known word nearest to what was typed; empty when none is near.
std::string nearest(std::string_view typed, const std::vector<std::string>& known);

}  // namespace strop::cli
