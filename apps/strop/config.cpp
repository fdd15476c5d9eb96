#include "config.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "completion.h"
#include "values.h"

namespace strop::cli {
namespace {

constexpr std::uintmax_t kMaxBytes = 64 * 1024;
constexpr std::string_view kFlag = "--config";

bool is_flag(const std::string& argument, const std::string& flag) {
  return argument == flag || argument.starts_with(flag + "=");
}

std::optional<std::string> file_named_by(const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == kFlag && i + 1 < arguments.size()) return arguments[i + 1];
    if (is_flag(arguments[i], std::string(kFlag))) return arguments[i].substr(kFlag.size() + 1);
  }
  return std::nullopt;
}

Error unreadable(const std::string& file, ErrorCode code, const std::string& why) {
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

// "--name value ..."; a switch has no value, and one that is off is left out.
void append(std::vector<std::string>& arguments, const CLI::ConfigItem& item, bool takes_value) {
  if (takes_value) {
    std::string joined;
    for (const std::string& input : item.inputs) joined += (joined.empty() ? "" : ",") + input;
    arguments.push_back("--" + item.name + "=" + joined);
  } else if (!item.inputs.empty() && item.inputs.front() == "true") {
    arguments.push_back("--" + item.name);
  }
}

}  // namespace

Result<std::vector<std::string>> with_config(const CLI::App& verb,
                                             std::vector<std::string> arguments) {
  const auto file = file_named_by(arguments);
  if (!file) return arguments;
  std::error_code error;
  const auto bytes = std::filesystem::file_size(*file, error);
  if (error) return unreadable(*file, ErrorCode::not_found, error.message());
  if (bytes > kMaxBytes)
    return unreadable(*file, ErrorCode::invalid_input,
                      str("must be at most ", kMaxBytes, " bytes, but has ", bytes));
  std::vector<CLI::ConfigItem> items;
  try {
    items = CLI::ConfigTOML().from_file(*file);
  } catch (const CLI::Error& problem) {
    return unreadable(*file, ErrorCode::invalid_input, problem.what());
  }
  const std::vector<std::string> given = arguments;
  for (const CLI::ConfigItem& item : items) {
    if (!item.parents.empty())
      return unreadable(*file, ErrorCode::invalid_input,
                        str("must have no sections, but has [", item.parents.front(), "]"));
    const std::string flag = "--" + item.name;
    const CLI::Option* option = verb.get_option_no_throw(flag);
    if (option == nullptr || flag == kFlag) return unknown(*file, item, verb);
    const bool on_the_command_line =
        std::any_of(given.begin(), given.end(), [&](const std::string& argument) {
          const auto& names = option->get_lnames();
          return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
            return is_flag(argument, "--" + name);
          });
        });
    if (!on_the_command_line) append(arguments, item, option->get_items_expected_max() > 0);
  }
  return arguments;
}

}  // namespace strop::cli
