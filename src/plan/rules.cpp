#include "plan/rules.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "core/rule_file.h"

namespace strop {
namespace {

struct TableFile {
  const char* file;
  const char* name;
};

// In order of authority.
constexpr std::array kTables{
    TableFile{"tree.json", "decision tree"}, TableFile{"strategy.json", "strategy"},
    TableFile{"hardware.json", "hardware platform"}, TableFile{"use_cases.json", "use case"},
    TableFile{"workflow.json", "workflow"}};

constexpr std::array kRatings{"excellent", "good", "moderate", "basic", "limited", "none"};

std::vector<std::string> optional_words(const RuleReader& reader, const std::string& name) {
  return reader.has(name) ? reader.words(name) : std::vector<std::string>();
}

Condition condition_of(const RuleReader& row) {
  const RuleReader when = row.object("when");
  when.only({"platform", "kind", "use_case", "profile", "strategy"});
  return {optional_words(when, "platform"), optional_words(when, "kind"),
          optional_words(when, "use_case"), optional_words(when, "profile"),
          optional_words(when, "strategy")};
}

Preference preference_of(const RuleReader& row) {
  return {row.text("id"), condition_of(row), row.words("backends"), row.text("reason")};
}

Preference plain_preference(const RuleReader& row) {
  row.only({"id", "when", "backends", "reason"});
  return preference_of(row);
}

QuantisationRule quantisation_of(const RuleReader& row) {
  row.only({"id", "when", "backends", "bits", "reason"});
  return {preference_of(row), row.number("bits")};
}

ReferenceEngine reference_of(const RuleReader& row) {
  row.only({"id", "when", "backends", "quality_recipe", "reason"});
  return {preference_of(row), row.text("quality_recipe")};
}

Requirement requirement_of(const RuleReader& row) {
  row.only({"id", "when", "requirement", "ratings", "reason"});
  Requirement requirement{row.text("id"), condition_of(row), row.text("requirement"),
                          row.words_by_name("ratings"), row.text("reason")};
  for (const auto& [backend, rating] : requirement.ratings) {
    if (std::find(kRatings.begin(), kRatings.end(), rating) == kRatings.end())
      row.refuse("ratings", str("must be words from excellent to none, but ", backend, " has \"",
                                rating, "\""));
  }
  return requirement;
}

Framework framework_of(const RuleReader& row) {
  row.only({"backend", "title"});
  return {row.text("backend"), row.text("title")};
}

Helper helper_of(const RuleReader& row) {
  row.only({"backend", "reason"});
  return {row.text("backend"), row.text("reason")};
}

Band band_of(const RuleReader& row) {
  row.only({"id", "from_bits", "to_bits", "reason"});
  Band band{row.text("id"), row.number("from_bits"), row.number("to_bits"), row.text("reason")};
  if (!(band.from_bits < band.to_bits)) row.refuse("to_bits", "must be above from_bits");
  return band;
}

Effort effort_of(const RuleReader& row) {
  row.only({"id", "start_seconds", "tokens", "operations_per_parameter_and_token",
            "operations_per_second_and_core", "size_margin", "reason"});
  Effort effort{row.number("start_seconds"), row.number("tokens"),
                row.number("operations_per_parameter_and_token"),
                row.number("operations_per_second_and_core"), row.number("size_margin")};
  if (!(effort.start_seconds > 0)) row.refuse("start_seconds", "must be above 0");
  if (!(effort.operations_per_second_and_core > 0))
    row.refuse("operations_per_second_and_core", "must be above 0");
  return effort;
}

template <class Row>
std::vector<Row> rows_of(const RuleReader& file, const std::string& name,
                         Row (*read)(const RuleReader&)) {
  std::vector<Row> rows;
  for (const RuleReader& row : file.rows(name)) rows.push_back(read(row));
  return rows;
}

// Calls read(reader) on the file's top object.
template <class Read>
Result<void> read_file(const std::filesystem::path& folder, const std::string& file, Read read) {
  STROP_TRY(const Json json, read_rule_file(folder / file));
  std::optional<Error> error;
  read(RuleReader(json, file, error));
  if (error) return *std::move(error);
  return {};
}

template <class Row>
Result<void> read_rows(const std::filesystem::path& folder, const std::string& file,
                       std::vector<Row>& rows, Row (*read)(const RuleReader&)) {
  return read_file(folder, file, [&](const RuleReader& top) {
    top.only({"rows"});
    rows = rows_of(top, "rows", read);
  });
}

bool accepts(const std::vector<std::string>& words, const std::string& word) {
  return words.empty() || std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

bool holds(const Condition& condition, const Facts& facts) {
  return accepts(condition.platform, facts.platform) && accepts(condition.kind, facts.kind) &&
         accepts(condition.use_case, facts.use_case) && accepts(condition.profile, facts.profile) &&
         accepts(condition.strategy, facts.strategy);
}

const Preference* first_that_holds(const PreferenceTable& table, const Facts& facts) {
  const auto row =
      std::find_if(table.rows.begin(), table.rows.end(),
                   [&](const Preference& preference) { return holds(preference.when, facts); });
  return row == table.rows.end() ? nullptr : &*row;
}

Result<Rules> load_rules(const std::filesystem::path& folder) {
  Rules rules;
  STROP_CHECK(read_file(folder, "frameworks.json", [&](const RuleReader& top) {
    top.only({"frameworks", "helpers"});
    rules.frameworks = rows_of(top, "frameworks", framework_of);
    rules.helpers = rows_of(top, "helpers", helper_of);
  }));
  for (const TableFile& table : kTables) {
    rules.authority.push_back({table.name, {}});
    STROP_CHECK(read_rows(folder, table.file, rules.authority.back().rows, plain_preference));
  }
  STROP_CHECK(read_rows(folder, "quantisation.json", rules.quantisation, quantisation_of));
  STROP_CHECK(read_rows(folder, "requirements.json", rules.requirements, requirement_of));
  STROP_CHECK(read_rows(folder, "reference.json", rules.references, reference_of));
  STROP_CHECK(read_file(folder, "search.json", [&](const RuleReader& top) {
    top.only({"bands", "effort"});
    rules.bands = rows_of(top, "bands", band_of);
    rules.effort = effort_of(top.object("effort"));
  }));
  return rules;
}

}  // namespace strop
