#include "core/units.h"

#include <array>
#include <cmath>
#include <cstdio>

namespace strop {
namespace {

std::string fixed(double value, int decimals) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return text.data();
}

}  // namespace

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array kUnits{"bytes", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fixed(value, unit == 0 ? 0 : 1) + " " + kUnits[unit];
}

std::string number_text(double value) {
  std::array<char, 64> text{};
  if (std::abs(value) >= 1000 && std::abs(value) < 1e15) return fixed(value, 0);
  std::snprintf(text.data(), text.size(), "%.3g", value);
  return text.data();
}

}  // namespace strop
