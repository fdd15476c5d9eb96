#include "plan/ranking.h"

#include <algorithm>
#include <set>

#include "core/json.h"

namespace strop::plan {
namespace {

using Preferences = std::vector<Preference>;

// Where the preference names the backend; past the end when it does not.
std::size_t place(const Preference& preference, const std::string& backend) {
  const auto& names = preference.backends;
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), backend) - names.begin());
}

// The first preference that tells them apart; nullptr when none does.
const Preference* what_decides(const std::string& one, const std::string& other,
                               const Preferences& preferences) {
  const auto found =
      std::find_if(preferences.begin(), preferences.end(), [&](const Preference& preference) {
        return place(preference, one) != place(preference, other);
      });
  return found == preferences.end() ? nullptr : &*found;
}

bool is_above(const BackendFit& one, const BackendFit& other, const Preferences& preferences) {
  if (const Preference* decides = what_decides(one.backend, other.backend, preferences))
    return place(*decides, one.backend) < place(*decides, other.backend);
  if (one.fit.score != other.fit.score) return one.fit.score > other.fit.score;
  return one.backend < other.backend;
}

std::string place_text(const Preference& preference, std::size_t place) {
  const std::size_t count = preference.backends.size();
  if (count == 1 || place == 0) return preference.reason;
  return str(preference.reason, " (named ", place + 1, ". of ", count, ")");
}

// A rating tells something only where the frameworks at hand differ in it.
bool tells_apart(const Requirement& requirement, const std::vector<BackendFit>& fits) {
  std::set<std::string> ratings;
  for (const BackendFit& fit : fits) {
    if (const auto rating = requirement.ratings.find(fit.backend);
        rating != requirement.ratings.end())
      ratings.insert(rating->second);
  }
  return ratings.size() > 1;
}

std::vector<Reason> reasons_for(const std::string& backend, const std::vector<BackendFit>& fits,
                                const Preferences& preferences, const Facts& facts,
                                const Rules& rules) {
  std::vector<Reason> reasons;
  for (const Preference& preference : preferences) {
    const std::size_t named = place(preference, backend);
    if (named < preference.backends.size())
      reasons.push_back({preference.id, place_text(preference, named)});
  }
  for (const Requirement& row : rules.requirements) {
    const auto rating = row.ratings.find(backend);
    if (rating == row.ratings.end() || !holds(row.when, facts) || !tells_apart(row, fits)) continue;
    reasons.push_back({row.id, str(row.requirement, ": ", rating->second)});
  }
  if (reasons.empty())
    reasons.push_back({"plan.installed", "no rule names it; it is installed and can run"});
  return reasons;
}

// The most authoritative row, of those that do not hold here, that names the backend before the
// other.
const Preference* row_in_favour(const std::string& backend, const std::string& other,
                                const Facts& facts, const Rules& rules) {
  for (const PreferenceTable& table : rules.authority) {
    for (const Preference& row : table.rows) {
      if (&row != first_that_holds(table, facts) && place(row, backend) < place(row, other))
        return &row;
    }
  }
  return nullptr;
}

std::string what_would_move_up(const std::string& backend, const std::string& above,
                               const Preferences& preferences, const Facts& facts,
                               const Rules& rules) {
  const Preference* decides = what_decides(above, backend, preferences);
  std::string text =
      str(title_of(above, rules), " is above it by ", decides ? decides->id : "its own score");
  if (const Preference* row = row_in_favour(backend, above, facts, rules))
    text += str("; ", row->id, " would turn that round (", row->reason, ")");
  return text + str("; so would --framework ", backend, ",", above);
}

}  // namespace

std::string title_of(const std::string& backend, const Rules& rules) {
  const auto found =
      std::find_if(rules.frameworks.begin(), rules.frameworks.end(),
                   [&](const Framework& framework) { return framework.backend == backend; });
  return found == rules.frameworks.end() ? backend : found->title;
}

Facts facts_of(const Goal& goal, const Model& model, const Target& target,
               const Assessment& assessment) {
  return {.platform = target.platform,
          .kind = std::string(name_of(model.kind)),
          .use_case = goal.use_case,
          .profile = std::string(name_of(goal.profile)),
          .strategy = assessment.strategy};
}

std::vector<Preference> preferences_for(const Goal& goal, const Facts& facts, const Rules& rules) {
  Preferences preferences;
  if (!goal.frameworks.empty())
    preferences.push_back({"user.framework", {}, goal.frameworks, "named by --framework"});
  for (const PreferenceTable& table : rules.authority) {
    if (const Preference* row = first_that_holds(table, facts)) preferences.push_back(*row);
  }
  return preferences;
}

std::vector<Choice> rank(const std::vector<BackendFit>& fits, const Goal& goal, const Facts& facts,
                         const Rules& rules) {
  const Preferences preferences = preferences_for(goal, facts, rules);
  std::vector<BackendFit> sorted = fits;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const BackendFit& one, const BackendFit& other) {
                     return is_above(one, other, preferences);
                   });
  std::vector<Choice> choices;
  for (const BackendFit& fit : sorted) {
    Choice choice{.backend = fit.backend,
                  .rank = static_cast<std::uint32_t>(choices.size() + 1),
                  .budget_share = 0,
                  .reasons = reasons_for(fit.backend, sorted, preferences, facts, rules),
                  .would_change = {}};
    choice.would_change = choices.empty() ? "Nothing: it is first"
                                          : what_would_move_up(fit.backend, choices.back().backend,
                                                               preferences, facts, rules);
    choices.push_back(std::move(choice));
  }
  return choices;
}

}  // namespace strop::plan
