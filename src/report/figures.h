// Numbers as a reader may trust them: no more digits than the interval supports, units chosen once,
// and words where there is no number. Terminal and HTML share this, so that they can never
// disagree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "strop/measurement.h"

namespace strop {

// A value in the unit people read: ms or s, kB to TB, x for a ratio of speeds.
struct Quantity {
  double value = 0;
  std::optional<Interval> interval;
  std::string unit;  // empty: a bare number
  bool noisy = false;
};

Quantity quantity(const Metric& metric);
Quantity bytes_quantity(std::uint64_t bytes);
Quantity seconds_quantity(double seconds);

// Fixed notation with a point, whatever the locale.
std::string fixed(double value, int decimals);
// Digits after the point: the first uncertain digit is the last one shown, at most `significant`
// digits in all. Bounded by an interval a fourth digit may count.
int decimals(double value, const std::optional<Interval>& interval, int significant = 3);

std::string value_text(const Quantity& quantity);     // "7.1 ms", "2.3x"
std::string interval_text(const Quantity& quantity);  // "2.2-2.4", empty without an interval
std::string deviation_text(
    const Quantity& quantity);  // "0.06": to the interval's farther end, empty without one
// Instead of a value that is noisy: "1.1-3.9x", the bare interval, or "noisy" where there is none.
std::string noisy_text(const Quantity& quantity);
std::string full_text(const Quantity& quantity);  // "2.3x (2.2-2.4)"; says noisy when it is

// "decode reaches 62 % of what memory bandwidth (18.2 GB/s) allows, 0.14 GB per token"
std::string ceiling_text(const Ceiling& ceiling);

// Text as it may go to any reader: invalid UTF-8, control characters and direction overrides become
// U+FFFD.
std::string printable(std::string_view text);

}  // namespace strop
