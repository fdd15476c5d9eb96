// Reads gates.json.
#include <algorithm>
#include <array>

#include "core/rule_file.h"
#include "gate/gate.h"
#include "strop/thresholds.h"

namespace strop {
namespace {

// What a rule may name besides the user's thresholds: the precision's, none at all, the user's
// limits.
constexpr std::array kOthers{"tolerance",    "network_use", "size_bytes",
                             "memory_bytes", "latency_ms",  "energy_joules"};

bool is_threshold(const std::string& name) {
  return std::find(kOthers.begin(), kOthers.end(), name) != kOthers.end() ||
         std::any_of(kThresholdNames.begin(), kThresholdNames.end(),
                     [&](const ThresholdName& one) { return name == one.rule; });
}

Comparison comparison_of(const RuleReader& row) {
  const std::string word = row.text("comparison");
  const auto comparison = from_name<Comparison>(word);
  if (!comparison)
    row.refuse("comparison", str("must be at_least or at_most, but got \"", word, "\""));
  return comparison.value_or(Comparison::at_least);
}

GateValue value_of(const RuleReader& row) {
  const std::string word = row.text("value");
  if (word == "ratio_to_baseline") return GateValue::ratio_to_baseline;
  if (word == "artifact_bytes") return GateValue::artifact_bytes;
  if (word != "metric")
    row.refuse("value",
               str("must be metric, ratio_to_baseline or artifact_bytes, but got \"", word, "\""));
  return GateValue::metric;
}

std::vector<Alternative> alternatives_of(const RuleReader& row) {
  std::vector<Alternative> alternatives;
  for (const RuleReader& other : row.rows("or")) {
    other.only({"metric", "unit"});
    alternatives.push_back({other.text("metric"), other.text("unit")});
  }
  return alternatives;
}

GateRule rule_of(const RuleReader& row) {
  row.only({"id", "metric", "or", "comparison", "threshold", "value", "unit", "needs_control",
            "required_by", "reason"});
  GateRule rule{row.text("id"),
                row.text("metric"),
                row.has("or") ? alternatives_of(row) : std::vector<Alternative>{},
                comparison_of(row),
                row.text("threshold"),
                value_of(row),
                row.text("unit"),
                row.has("needs_control") && row.flag("needs_control"),
                row.words("required_by"),
                row.text("reason")};
  if (!is_threshold(rule.threshold))
    row.refuse("threshold", str("names no threshold or limit: \"", rule.threshold, "\""));
  for (const std::string& profile : rule.required_by) {
    if (!from_name<Profile>(profile))
      row.refuse("required_by", str("names no profile: \"", profile, "\""));
  }
  return rule;
}

Tolerance tolerance_of(const RuleReader& row) {
  row.only({"from_bits", "when", "kl_mean", "noise_ratio", "reason"});
  Tolerance tolerance{.from_bits = row.number("from_bits"), .when = {}, .most = {}};
  if (row.has("when")) tolerance.when = row.words_by_name("when");
  for (const char* metric : {"kl_mean", "noise_ratio"}) tolerance.most[metric] = row.number(metric);
  return tolerance;
}

void check_order(const std::vector<Tolerance>& rows, const RuleReader& top) {
  const bool falling = std::is_sorted(
      rows.begin(), rows.end(),
      [](const Tolerance& a, const Tolerance& b) { return a.from_bits > b.from_bits; });
  if (rows.empty() || !falling || rows.back().from_bits != 0 || !rows.back().when.empty())
    top.refuse("tolerances", "must go from most bits down to 0, there whatever the run options");
}

}  // namespace

Result<GateRules> load_gate_rules(const std::filesystem::path& path) {
  STROP_TRY(const Json json, read_rule_file(path));
  std::optional<Error> error;
  const RuleReader top(json, path.filename().string(), error);
  top.only({"tolerances", "gates"});
  GateRules rules;
  for (const RuleReader& row : top.rows("tolerances"))
    rules.tolerances.push_back(tolerance_of(row));
  check_order(rules.tolerances, top);
  for (const RuleReader& row : top.rows("gates")) rules.gates.push_back(rule_of(row));
  if (error) return *std::move(error);
  return rules;
}

}  // namespace strop
