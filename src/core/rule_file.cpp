#include "core/rule_file.h"

#include <algorithm>
#include <utility>

#include "core/files.h"

namespace strop {
namespace {

const Json& nothing() {
  static const Json kEmpty = Json::object();
  return kEmpty;
}

}  // namespace

RuleReader::RuleReader(const Json& json, std::string place, std::optional<Error>& error)
    : json_(&json), place_(std::move(place)), error_(&error) {
  if (json_->is_object()) return;
  refuse("", "must be an object");
  json_ = &nothing();
}

void RuleReader::refuse(const std::string& field, const std::string& rule) const {
  if (*error_) return;
  *error_ =
      Error{.code = ErrorCode::corrupt,
            .message = str("[rules] ", place_, field.empty() ? "" : ".", field, " ", rule, "."),
            .hint = "Install Strop's data files again.",
            .field = field};
}

void RuleReader::only(std::initializer_list<std::string_view> names) const {
  for (const auto& [name, value] : json_->items()) {
    if (std::find(names.begin(), names.end(), name) == names.end())
      refuse(name, "is no known field");
  }
}

bool RuleReader::has(const std::string& name) const { return json_->contains(name); }

const Json* RuleReader::member(const std::string& name, bool (Json::*is_type)() const noexcept,
                               const char* type) const {
  const auto found = json_->find(name);
  if (found == json_->end()) {
    refuse(name, "is missing");
    return nullptr;
  }
  if (!((*found).*is_type)()) {
    refuse(name, str("must be ", type));
    return nullptr;
  }
  return &*found;
}

std::string RuleReader::text(const std::string& name) const {
  const Json* value = member(name, &Json::is_string, "a text");
  return value ? value->get<std::string>() : std::string();
}

double RuleReader::number(const std::string& name) const {
  const Json* value = member(name, &Json::is_number, "a number");
  return value ? value->get<double>() : 0;
}

bool RuleReader::flag(const std::string& name) const {
  const Json* value = member(name, &Json::is_boolean, "true or false");
  return value && value->get<bool>();
}

std::vector<std::string> RuleReader::words(const std::string& name) const {
  std::vector<std::string> words;
  const Json* list = member(name, &Json::is_array, "a list of texts");
  if (!list) return words;
  for (const Json& word : *list) {
    if (word.is_string()) {
      words.push_back(word.get<std::string>());
    } else {
      refuse(name, "must be a list of texts");
    }
  }
  return words;
}

std::map<std::string, std::string> RuleReader::words_by_name(const std::string& name) const {
  std::map<std::string, std::string> words;
  const Json* object = member(name, &Json::is_object, "an object of texts");
  if (!object) return words;
  for (const auto& [key, value] : object->items()) {
    if (value.is_string()) {
      words[key] = value.get<std::string>();
    } else {
      refuse(name, "must be an object of texts");
    }
  }
  return words;
}

RuleReader RuleReader::object(const std::string& name) const {
  const Json* value = member(name, &Json::is_object, "an object");
  return {value ? *value : nothing(), str(place_, ".", name), *error_};
}

std::vector<RuleReader> RuleReader::rows(const std::string& name) const {
  std::vector<RuleReader> rows;
  const Json* list = member(name, &Json::is_array, "a list");
  if (!list) return rows;
  for (std::size_t i = 0; i < list->size(); ++i) {
    rows.emplace_back((*list)[i], str(place_, ".", name, "[", i, "]"), *error_);
  }
  return rows;
}

Result<Json> read_rule_file(const std::filesystem::path& path) {
  STROP_TRY(const std::string text, read_text(path, 1u << 20));
  return parse_json(text, path.filename().string());
}

}  // namespace strop
