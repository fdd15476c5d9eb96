#include "values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>

namespace strop::cli {
namespace {

struct Unit {
  std::string_view word;
  double factor;
};

constexpr std::array kSizes{Unit{"", 1},
                            Unit{"b", 1},
                            Unit{"kb", 1e3},
                            Unit{"mb", 1e6},
                            Unit{"gb", 1e9},
                            Unit{"tb", 1e12},
                            Unit{"kib", 1024.0},
                            Unit{"mib", 1048576.0},
                            Unit{"gib", 1073741824.0},
                            Unit{"tib", 1099511627776.0},
                            Unit{"k", 1e3},
                            Unit{"m", 1e6},
                            Unit{"g", 1e9}};
constexpr std::array kTimes{Unit{"ms", 1e-3}, Unit{"s", 1},    Unit{"", 1},
                            Unit{"m", 60},    Unit{"min", 60}, Unit{"h", 3600}};

Error refuse(std::string_view text, std::string_view rule) {
  return Error{.code = ErrorCode::invalid_input,
               .message = str("must be ", rule, ", but got \"", text, "\""),
               .value = std::string(text)};
}

template <std::size_t N>
Result<double> parse(std::string_view text, const std::array<Unit, N>& units,
                     std::string_view rule) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !std::isfinite(number) || number < 0) return refuse(text, rule);
  std::string word(end, text.data() + text.size());
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (word.starts_with(' ')) word.erase(0, 1);
  for (const Unit& unit : units) {
    if (unit.word == word) return number * unit.factor;
  }
  return refuse(text, rule);
}

// Edits (insert, delete, replace) between two words.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  STROP_TRY(const double bytes, parse(text, kSizes, "a size such as 100MB or 1.5GiB"));
  if (bytes >= 1e18) return refuse(text, "a size below 1 EB");
  return static_cast<std::uint64_t>(bytes);
}

Result<double> parse_seconds(std::string_view text) {
  return parse(text, kTimes, "a time such as 20ms, 90s or 5m");
}

Result<double> parse_ratio(std::string_view text) {
  const bool percent = text.ends_with('%');
  STROP_TRY(double ratio, parse(text.substr(0, text.size() - (percent ? 1 : 0)),
                                std::array{Unit{"", 1}}, "a ratio such as 0.95 or 95%"));
  if (percent) ratio /= 100;
  if (ratio > 1) return refuse(text, "a ratio from 0 to 1, or 0% to 100%");
  return ratio;
}

std::string show_seconds(double seconds) {
  const auto whole = static_cast<long>(std::lround(seconds));
  if (whole < 60) return str(whole, " s");
  return str(whole / 60, " min ", whole % 60, " s");
}

std::string nearest(std::string_view typed, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, typed.size() / 3) + 1;
  for (const std::string& word : known) {
    if (const std::size_t d = distance(typed, word); d < best_distance) {
      best_distance = d;
      best = word;
    }
  }
  return best;
}

}  // namespace strop::cli
