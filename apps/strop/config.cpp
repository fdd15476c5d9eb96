#include "config.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

#include "completion.h"
#include "values.h"

namespace strop::cli {
namespace {

constexpr std::uintmax_t kMaxBytes = std::uintmax_t{64} * 1024;
constexpr std::string_view kFlag = "--config";

// None also of a --config at the end, which the parser refuses.
std::optional<std::string> file_named_by(const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i].starts_with(str(kFlag, "="))) return arguments[i].substr(kFlag.size() + 1);
    if (arguments[i] == kFlag && i + 1 < arguments.size()) return arguments[i + 1];
  }
  return std::nullopt;
}

Error bad_file(const std::string& file, ErrorCode code, const std::string& why) {
  return {.code = code,
          .message = str(kFlag, " ", file, ": ", why),
          .hint = "Write one flag per line, without its dashes: budget = \"15m\".",
          .field = std::string(kFlag),
          .value = file};
}

Error unknown(const std::string& file, const CLI::ConfigItem& item, const CLI::App& verb) {
  const std::string near = nearest("--" + item.name, flags(verb));
  return {.code = ErrorCode::invalid_input,
          .message = str(kFlag, " ", file, ": ", item.name, " is no flag of ", verb.get_name()),
          .hint = near.empty() ? str("Try: strop ", verb.get_name(), " --help")
                               : str("Did you mean ", near.substr(2), "?"),
          .field = item.name};
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t first = std::min(text.find_first_not_of(kSpace), text.size());
  return text.substr(first, text.find_last_not_of(kSpace) + 1 - first);
}

// The first line without a value, which the parser would take for a switch that is on.
std::string line_without_value(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::string_view words = trimmed(line);
    if (words.empty() || std::string_view("#;[").find(words.front()) != words.npos) continue;
    const std::size_t equals = line.find('=');
    if (equals == line.npos) return std::string(words);
    const std::string value(trimmed(line.substr(equals + 1, line.find('#', equals) - equals - 1)));
    bool open_array = value.size() > 1 && value.front() == '[' && value.back() != ']';
    while (open_array && std::getline(lines, line)) open_array = !trimmed(line).ends_with(']');
  }
  return {};
}

Result<std::vector<CLI::ConfigItem>> items_of(const std::string& file) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(file, error);
  if (error) return bad_file(file, ErrorCode::not_found, error.message());
  if (bytes > kMaxBytes)
    return bad_file(file, ErrorCode::invalid_input,
                    str("must be at most ", kMaxBytes, " bytes, but has ", bytes));
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return bad_file(file, ErrorCode::invalid_input, "cannot be read");
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (const std::string line = line_without_value(text); !line.empty())
    return bad_file(file, ErrorCode::invalid_input,
                    str("every line must be NAME = VALUE, but got ", line));
  std::istringstream lines(text);
  return CLI::ConfigTOML().from_config(lines);
}

std::string joined(const std::vector<std::string>& inputs) {
  std::string text;
  for (const std::string& input : inputs) text += (text.empty() ? "" : ",") + input;
  return text;
}

// Whether the command line has the option by one of its names: -o DIR, -oDIR, --out=DIR.
bool is_given(const CLI::Option& option, const std::vector<std::string>& arguments) {
  const auto names_it = [&](const std::string& argument) {
    const std::string word = argument.substr(0, argument.find('='));
    const auto& longs = option.get_lnames();
    const auto& shorts = option.get_snames();
    return std::any_of(longs.begin(), longs.end(),
                       [&](const std::string& name) { return word == "--" + name; }) ||
           std::any_of(shorts.begin(), shorts.end(),
                       [&](const std::string& name) { return word.starts_with("-" + name); });
  };
  return std::any_of(arguments.begin(), arguments.end(), names_it);
}

// A switch that is off is left out.
Result<void> append_switch(std::vector<std::string>& arguments, const std::string& file,
                           const CLI::ConfigItem& item) {
  const std::string value = joined(item.inputs);
  if (value != "true" && value != "false")
    return bad_file(file, ErrorCode::invalid_input,
                    str(item.name, " must be true or false, but got ", value));
  if (value == "true") arguments.push_back("--" + item.name);
  return {};
}

// As it would be typed: once per element of an array where that is allowed, else joined by commas.
Result<void> append(std::vector<std::string>& arguments, const std::string& file,
                    const CLI::ConfigItem& item, const CLI::Option& option) {
  const int most = option.get_items_expected_max();
  if (most == 0) return append_switch(arguments, file, item);
  for (const std::string& value : most > 1 ? item.inputs : std::vector{joined(item.inputs)}) {
    arguments.push_back("--" + item.name);
    arguments.push_back(value);
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> with_config(const CLI::App& verb,
                                             std::vector<std::string> arguments) {
  const auto file = file_named_by(arguments);
  if (!file) return arguments;
  STROP_TRY(const auto items, items_of(*file));
  const std::vector<std::string> given = arguments;
  for (const CLI::ConfigItem& item : items) {
    if (!item.parents.empty())
      return bad_file(*file, ErrorCode::invalid_input,
                      str("must have no sections, but has [", item.parents.front(), "]"));
    const CLI::Option* option = verb.get_option_no_throw("--" + item.name);
    if (option == nullptr || !option->get_configurable()) return unknown(*file, item, verb);
    if (!is_given(*option, given)) STROP_CHECK(append(arguments, *file, item, *option));
  }
  return arguments;
}

}  // namespace strop::cli
