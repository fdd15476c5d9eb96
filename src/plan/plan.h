// Assessment + Goal -> Plan: which recipes are tried, in which order, and why.
#pragma once

#include <map>
#include <string>

#include "plan/rules.h"
#include "strop/assessment.h"
#include "strop/goal.h"
#include "strop/model.h"
#include "strop/plan.h"
#include "strop/result.h"
#include "strop/target.h"

namespace strop {

// `missing_workers`: why a worker that steps may name cannot be started; recipes that need it are
// not tried. `no_calibration`: why there are no samples to learn from, empty where there are some;
// the same holds for recipes with a step that asks for them (docs/protocol.md). Pure: the same
// values give the same plan. Fails with invalid_input when the goal names an unknown framework or
// sets limits that no recipe can meet, with unsupported when nothing can run.
Result<Plan> make_plan(const Goal& goal, const Model& model, const Target& target,
                       const Assessment& assessment, const Rules& rules,
                       const std::map<std::string, std::string>& missing_workers = {},
                       const std::string& no_calibration = {});

}  // namespace strop
