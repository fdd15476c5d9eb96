#include "checks.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <optional>

#include "strop/result.h"

namespace strop::cli {
namespace {

// Without a description, which --help and the manual would show beside the value's name.
template <class Accepts>
CLI::Validator must_be(const std::string& rule, Accepts accepts) {
  return CLI::Validator(
      [rule, accepts](const std::string& text) {
        return accepts(text) ? std::string() : str("must be ", rule, ", but got ", text);
      },
      "");
}

// The number that the whole text is.
template <class T>
std::optional<T> number_in(const std::string& text) {
  T value{};
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end) return std::nullopt;
  return value;
}

// "a, b or c"
std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i)
    text += str(i == 0 ? "" : i + 1 == words.size() ? " or " : ", ", words[i]);
  return text;
}

}  // namespace

CLI::Validator one_of(const std::vector<std::string>& words) {
  return must_be(listed(words), [words](const std::string& text) {
    return std::find(words.begin(), words.end(), text) != words.end();
  });
}

CLI::Validator whole_number(std::uint64_t low, std::uint64_t high) {
  const bool open = high == std::numeric_limits<std::uint64_t>::max();
  return must_be(open ? "a whole number" : str("a whole number from ", low, " to ", high),
                 [low, high](const std::string& text) {
                   const auto value = number_in<std::uint64_t>(text);
                   return value && low <= *value && *value <= high;
                 });
}

CLI::Validator number_within(double low, double high) {
  return must_be(str("from ", low, " to ", high), [low, high](const std::string& text) {
    const auto value = number_in<double>(text);
    return value && low <= *value && *value <= high;
  });
}

CLI::Validator above_zero() {
  return must_be("above 0", [](const std::string& text) {
    const auto value = number_in<double>(text);
    return value && *value > 0 && std::isfinite(*value);
  });
}

CLI::Validator existing_file() {
  return must_be("a file", [](const std::string& text) {
    std::error_code error;
    const auto status = std::filesystem::status(text, error);
    return std::filesystem::exists(status) && !std::filesystem::is_directory(status);
  });
}

}  // namespace strop::cli
