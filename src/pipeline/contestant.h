// An artifact opened in a fresh worker of its own, ready to be timed or scored.
#pragma once

#include <memory>

#include "measure/speed.h"
#include "pipeline/context.h"
#include "strop/report.h"

namespace strop::pipeline {

enum class Purpose { generate, evaluate };

// Run options in full: the preset's, the run's threads, and what the purpose needs where the worker
// declares a knob for it (logits: of the last position as for a user's request, or of all).
RunOptions options_for(const Trial& trial, Purpose purpose, const Report& report);

Result<std::unique_ptr<WorkerSession>> open(const Trial& trial, Purpose purpose,
                                            const Report& report, Context& context);

// The goal's request, from an empty sequence.
measure::Contestant contestant(const std::string& name, WorkerSession& worker,
                               const std::vector<TokenId>& prompt, std::uint32_t new_tokens,
                               std::stop_token stop);

// What was in force while the worker was measured.
Conditions conditions_of(const Trial& trial, WorkerSession& worker, const Report& report);

}  // namespace strop::pipeline
