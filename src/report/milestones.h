// The way from the original to the recommended artifact: what each step brought.
#pragma once

#include <string>
#include <vector>

#include "report/figures.h"
#include "strop/report.h"

namespace strop {

// Baseline, conversion, quantisation, acceleration (run options), validation, in this order; from
// figures of the report only. Empty without a recommended artifact.
std::vector<Milestone> milestones(const Report& report);

// The baseline itself, whose speed is 1 by definition and has no figure.
bool has_unit_speed(const Milestone& milestone);

std::string milestone_title(MilestoneKind kind);

}  // namespace strop
