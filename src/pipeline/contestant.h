// An artifact opened in a fresh worker of its own, ready to be timed or scored.
#pragma once

#include <memory>

#include "measure/speed.h"
#include "pipeline/context.h"
#include "strop/report.h"

namespace strop::pipeline {

// Run options in full: the preset's, and the run's threads where the worker has a knob for them.
RunOptions options_for(const Trial& trial, const Report& report);

Result<std::unique_ptr<WorkerSession>> open(const Trial& trial, const Report& report,
                                            Context& context);

// The goal's request, from an empty sequence.
measure::Contestant contestant(const std::string& name, WorkerSession& worker,
                               const std::vector<TokenId>& prompt, std::uint32_t new_tokens,
                               std::stop_token stop);

// What was in force while the worker was measured.
Conditions conditions_of(const Trial& trial, WorkerSession& worker, const Report& report);

}  // namespace strop::pipeline
