// Production validation of the artifact that would be shipped: beside the baseline on the same
// requests, under load, over time, and its files.
#pragma once

#include "pipeline/exam.h"
#include "strop/report.h"

namespace strop::pipeline {

// What of the budget is kept for it; 0 in the profile prototype, which asks for none of it.
double validation_seconds(const Goal& goal);

// Adds to the measurement of the artifact that is best so far: ab_test, stress_errors,
// stress_slowdown, stress_growth, soak_memory_growth, soak_latency_growth, security_findings,
// network_use, energy_per_token or energy_per_inference, and the ceilings. Where one fails a gate
// of these, the next best is validated as long as the budget lasts. Does nothing in the profile
// prototype.
Result<void> validate(Report& report, const Exam& exam, Context& context);

}  // namespace strop::pipeline
