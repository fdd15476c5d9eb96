// The rules of share/plan as values: the decision tree, the matrices and what the search costs.
// They are priors with a reason per row; what is measured overrules them.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "strop/result.h"

namespace strop {

// When a row applies: each list that is not empty must contain the fact of its name.
struct Condition {
  std::vector<std::string> platform;
  std::vector<std::string> kind;
  std::vector<std::string> use_case;
  std::vector<std::string> profile;
  std::vector<std::string> strategy;
};

// What conditions look at.
struct Facts {
  std::string platform;
  std::string kind;
  std::string use_case;
  std::string profile;
  std::string strategy;
};

bool holds(const Condition& condition, const Facts& facts);

// The backends that the row names, best first.
struct Preference {
  std::string id;
  Condition when;
  std::vector<std::string> backends;
  std::string reason;
};

// Of one kind of rule the first row that holds counts.
struct PreferenceTable {
  std::string name;  // as read aloud: "decision tree"
  std::vector<Preference> rows;
};

struct QuantisationRule {
  Preference preference;
  double bits = 0;  // tried first on these backends
};

struct Requirement {
  std::string id;
  Condition when;
  std::string requirement;
  std::map<std::string, std::string> ratings;  // by backend
  std::string reason;
};

struct ReferenceEngine {
  Preference preference;
  std::string quality_recipe;  // name of the recipe whose outputs are the truth
};

struct Framework {
  std::string backend;
  std::string title;
};

// Workers that are installed but no choice, unless the user names them.
struct Helper {
  std::string backend;
  std::string reason;
};

// Half-open range of bits per weight; earlier bands are tried earlier.
struct Band {
  std::string id;
  double from_bits = 0;
  double to_bits = 0;
  std::string reason;
};

// seconds(trial) = start + tokens x operations per parameter and token x parameters / (cores x
// operations per second)
struct Effort {
  double start_seconds = 0;
  double tokens = 0;
  double operations_per_parameter_and_token = 0;
  double operations_per_second_and_core = 0;
  double size_margin = 0;  // a nominal size may be this share above the real one
};

struct Rules {
  std::vector<Framework> frameworks;
  std::vector<Helper> helpers;
  std::vector<PreferenceTable> authority;  // in order of authority, below the user's own flags
  std::vector<QuantisationRule> quantisation;
  std::vector<Requirement> requirements;
  std::vector<ReferenceEngine> references;
  std::vector<Band> bands;
  Effort effort;
};

// Reads every file of the folder strictly; the error names file and field.
Result<Rules> load_rules(const std::filesystem::path& folder);

// The first row that holds; nullptr when none does.
const Preference* first_that_holds(const PreferenceTable& table, const Facts& facts);

}  // namespace strop
