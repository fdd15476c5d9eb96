// Strict reading of the data that Strop ships as JSON, such as share/plan: what is missing, of
// another type or unknown is an error that names file and field.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"

namespace strop {

// One object of such a file. The first thing that is wrong is kept in `error`, and every later
// answer is empty, so that a whole file is read first and the error looked at once. `json` and
// `error` must outlive the reader.
class RuleReader {
 public:
  RuleReader(const Json& json, std::string place, std::optional<Error>& error);

  // Refuses every field with another name.
  void only(std::initializer_list<std::string_view> names) const;
  bool has(const std::string& name) const;

  std::string text(const std::string& name) const;
  double number(const std::string& name) const;
  bool flag(const std::string& name) const;
  std::vector<std::string> words(const std::string& name) const;
  std::map<std::string, std::string> words_by_name(const std::string& name) const;
  RuleReader object(const std::string& name) const;
  std::vector<RuleReader> rows(const std::string& name) const;

  // Reports a rule that the value of the field breaks.
  void refuse(const std::string& field, const std::string& rule) const;

 private:
  const Json* member(const std::string& name, bool (Json::*is_type)() const noexcept,
                     const char* type) const;

  const Json* json_;
  std::string place_;
  std::optional<Error>* error_;
};

// The parsed file.
Result<Json> read_rule_file(const std::filesystem::path& path);

}  // namespace strop
