#include "core/knobs.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace strop {
namespace {

std::optional<std::uint32_t> whole_number(const std::string& text) {
  std::uint32_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::string joined(const std::vector<std::string>& words) {
  std::string list;
  for (const auto& word : words) list += str(list.empty() ? "" : ", ", word);
  return list;
}

// Empty when it holds.
std::string broken_rule(const KnobRule& rule, const std::string& text) {
  const auto& words = rule.knob.values;
  if (words.empty() && rule.most == 0) return {};
  if (std::find(words.begin(), words.end(), text) != words.end()) return {};
  const auto value = whole_number(text);
  if (rule.most > 0 && value && *value >= 1 && *value <= rule.most) return {};
  std::string broken = words.empty() ? "" : "one of " + joined(words);
  if (rule.most > 0)
    broken += str(words.empty() ? "" : ", or ", "a whole number from 1 to ", rule.most);
  return broken;
}

Error unknown(const std::string& worker, std::span<const KnobRule> rules, const std::string& name,
              const std::string& value) {
  std::vector<std::string> names;
  for (const auto& rule : rules) names.push_back(rule.knob.name);
  return {ErrorCode::invalid_input,
          str("[", worker, "] there is no run option ", name, ": known are ", joined(names), "."),
          {},
          name,
          value};
}

}  // namespace

Result<RunOptions> options_in_force(const std::string& worker, std::span<const KnobRule> rules,
                                    const RunOptions& given) {
  RunOptions options;
  for (const auto& rule : rules) options[rule.knob.name] = rule.knob.default_value;
  for (const auto& [name, value] : given) {
    const auto rule = std::find_if(rules.begin(), rules.end(), [&name = name](const KnobRule& r) {
      return r.knob.name == name;
    });
    if (rule == rules.end()) return unknown(worker, rules, name, value);
    if (const auto broken = broken_rule(*rule, value); !broken.empty()) {
      return Error{ErrorCode::invalid_input,
                   str("[", worker, "] ", name, " must be ", broken, ", but got ", value, "."),
                   {},
                   name,
                   value};
    }
    options[name] = value;
  }
  return options;
}

std::uint32_t number_of(const RunOptions& in_force, const std::string& name) {
  const auto value = whole_number(in_force.at(name));
  STROP_ASSERT(value.has_value(), name, " is ", in_force.at(name));
  return *value;
}

Result<std::uint32_t> context_in_force(const std::string& worker, const std::string& asked,
                                       std::uint32_t usual, std::uint32_t most) {
  if (asked.empty()) return usual;
  const auto context = whole_number(asked);
  if (context && *context >= 1 && *context <= most) return *context;
  return Error{ErrorCode::invalid_input,
               str("[", worker, "] context must be at most ", most,
                   ", the model's own limit, but got ", asked, "."),
               {},
               "context",
               asked};
}

std::vector<Knob> knobs_of(std::span<const KnobRule> rules) {
  std::vector<Knob> knobs;
  for (const auto& rule : rules) knobs.push_back(rule.knob);
  return knobs;
}

}  // namespace strop
