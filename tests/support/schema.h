// Whether a JSON value holds to a JSON Schema, for the key words that our schemas use; any other
// one is an error, so that nothing is left unchecked.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "core/json.h"

namespace strop::test {

inline bool has_type(const Json& value, const std::string& type) {
  return type == "object"    ? value.is_object()
         : type == "array"   ? value.is_array()
         : type == "string"  ? value.is_string()
         : type == "boolean" ? value.is_boolean()
         : type == "integer" ? value.is_number_integer()
         : type == "number"  ? value.is_number()
                             : false;
}

inline void check(const Json& value, const Json& schema, const std::string& path,
                  std::vector<std::string>& problems) {
  const auto complain = [&](const std::string& what) { problems.push_back(path + ": " + what); };
  for (const auto& [word, rule] : schema.items()) {
    if (word == "type") {
      if (!has_type(value, rule.get<std::string>())) complain("is no " + rule.dump());
    } else if (word == "enum") {
      if (std::find(rule.begin(), rule.end(), value) == rule.end())
        complain("is not in " + rule.dump());
    } else if (word == "minimum") {
      if (!value.is_number() || value < rule) complain("is below " + rule.dump());
    } else if (word == "required") {
      for (const auto& name : rule)
        if (!value.is_object() || !value.contains(name.get<std::string>()))
          complain("lacks " + name.dump());
    } else if (word == "items") {
      std::size_t i = 0;
      for (const auto& item : value) check(item, rule, str(path, "[", i++, "]"), problems);
    } else if (word == "properties") {
      if (!value.is_object()) continue;
      for (const auto& [name, inner] : rule.items())
        if (value.contains(name)) check(value[name], inner, path + "." + name, problems);
    } else if (word == "additionalProperties") {
      if (!value.is_object()) continue;
      for (const auto& [name, inner] : value.items()) {
        if (schema.contains("properties") && schema["properties"].contains(name)) continue;
        if (rule.is_boolean() && !rule.get<bool>()) complain("has the unknown " + name);
        if (rule.is_object()) check(inner, rule, path + "." + name, problems);
      }
    } else if (word != "$schema") {
      complain("has a schema with the unknown word " + word);
    }
  }
}

inline std::vector<std::string> violations(const Json& value, const Json& schema) {
  std::vector<std::string> problems;
  check(value, schema, "value", problems);
  return problems;
}

}  // namespace strop::test
