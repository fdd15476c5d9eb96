#include "cases/case_file.h"

#include <regex>
#include <sstream>

#include "core/files.h"

namespace strop::cases {
namespace {

Error broken(const std::filesystem::path& file, const std::string& rule) {
  return {.code = ErrorCode::corrupt,
          .message = str("[cases] ", file.filename().string(), " ", rule, ".")};
}

// What follows the word at the line's beginning; nothing when the line begins with another.
std::optional<std::string> after(const std::string& line, const std::string& word) {
  if (!line.starts_with(word)) return std::nullopt;
  return line.substr(word.size());
}

// Lines up to the next one that begins a part; that one is left in `line`.
std::string body(std::istream& lines, std::string& line) {
  std::string text;
  while (std::getline(lines, line) && !line.starts_with("run ") && !line.starts_with("expect") &&
         !line.starts_with("error "))
    text += line + "\n";
  return text;
}

bool is_match(const Json& answer, const Json& expected) {
  if (!expected.is_string() || !expected.get<std::string>().starts_with("~"))
    return answer == expected;
  return answer.is_string() && std::regex_search(answer.get<std::string>(),
                                                 std::regex(expected.get<std::string>().substr(1)));
}

}  // namespace

Result<Case> read_case(const std::filesystem::path& file) {
  STROP_TRY(const std::string text, read_text(file, 1u << 20));
  std::istringstream lines(text);
  Case made;
  std::string line;
  while (std::getline(lines, line) && line != "given") {
    if (auto name = after(line, "name: ")) made.name = *name;
    if (auto description = after(line, "description: ")) made.description = *description;
  }
  STROP_TRY(made.given, parse_json(body(lines, line), file.filename().string()));
  const auto verb = after(line, "run ");
  if (made.name.empty() || made.description.empty() || !verb)
    return broken(file, "must have a name, a description, given and run");
  made.verb = *verb;
  std::getline(lines, line);
  if (const auto error = after(line, "error ")) {
    made.error = *error;
    return made;
  }
  if (line != "expect") return broken(file, "must have expect or error after run");
  STROP_TRY(made.expect, parse_json(body(lines, line), file.filename().string()));
  return made;
}

std::vector<std::string> differences(const Json& answer, const Json& expected,
                                     const std::string& path) {
  std::vector<std::string> found;
  const auto compare = [&](const Json& own, const Json& wanted, const std::string& where) {
    for (std::string& text : differences(own, wanted, where)) found.push_back(std::move(text));
  };
  if (expected.is_object() && answer.is_object()) {
    for (const auto& [name, wanted] : expected.items()) {
      if (answer.contains(name))
        compare(answer[name], wanted, path + "." + name);
      else if (!wanted.is_null())
        found.push_back(path + "." + name + ": is missing");
    }
  } else if (expected.is_array() && answer.is_array() && expected.size() == answer.size()) {
    for (std::size_t i = 0; i < expected.size(); ++i)
      compare(answer[i], expected[i], str(path, "[", i, "]"));
  } else if (!is_match(answer, expected)) {
    found.push_back(str(path, ": is ", answer.dump(), ", must be ", expected.dump()));
  }
  return found;
}

Json adopted(const Json& answer, const Json& expected) {
  if (expected.is_object() && answer.is_object()) {
    Json result = Json::object();
    for (const auto& [name, wanted] : expected.items())
      result[name] = answer.contains(name) ? adopted(answer[name], wanted) : Json();
    return result;
  }
  if (expected.is_array() && answer.is_array() && expected.size() == answer.size()) {
    Json result = Json::array();
    for (std::size_t i = 0; i < expected.size(); ++i)
      result.push_back(adopted(answer[i], expected[i]));
    return result;
  }
  return is_match(answer, expected) ? expected : answer;
}

Result<void> write_expect(const std::filesystem::path& file, const Json& expect) {
  STROP_TRY(const std::string text, read_text(file, 1u << 20));
  const std::string heading = "\nexpect\n";
  const std::size_t place = text.rfind(heading);
  if (place == std::string::npos)
    return broken(file, "expects an error, which is no list of values");
  return write_whole(file, text.substr(0, place) + heading + expect.dump() + "\n");
}

}  // namespace strop::cases
