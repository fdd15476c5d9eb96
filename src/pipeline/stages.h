// One function per stage, in pipeline order. Each fills its part of the report; a failed trial is
// data in it, only what ends the whole run is returned as an error.
#pragma once

#include "pipeline/context.h"
#include "strop/report.h"

namespace strop::pipeline {

Result<void> assess_stage(Report& report, Context& context);
Result<void> plan_stage(Report& report, Context& context);
Result<void> optimize_stage(Report& report, Context& context);
Result<void> measure_stage(Report& report, Context& context);
Result<void> gate_stage(Report& report, Context& context);
Result<void> report_stage(Report& report, Context& context);

}  // namespace strop::pipeline
