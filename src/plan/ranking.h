// Which backends come first, and why.
#pragma once

#include <string>
#include <vector>

#include "plan/rules.h"
#include "strop/assessment.h"
#include "strop/goal.h"
#include "strop/model.h"
#include "strop/plan.h"
#include "strop/target.h"

namespace strop::plan {

Facts facts_of(const Goal& goal, const Model& model, const Target& target,
               const Assessment& assessment);

// The preferences that hold, in order of authority: the user's own order, then a row of each table.
std::vector<Preference> preferences_for(const Goal& goal, const Facts& facts, const Rules& rules);

// One choice per fit, best first; budget_share is left to the trials. A backend is above another
// when the first preference that tells them apart names it earlier; then by the backend's own
// score, then by name.
std::vector<Choice> rank(const std::vector<BackendFit>& fits, const Goal& goal, const Facts& facts,
                         const Rules& rules);

// What the backend is called in the rules' prose; its own name when they do not know it.
std::string title_of(const std::string& backend, const Rules& rules);

}  // namespace strop::plan
