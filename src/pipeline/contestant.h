// An artifact opened in a fresh worker of its own, ready to be timed or scored.
#pragma once

#include <memory>

#include "measure/speed.h"
#include "pipeline/context.h"
#include "strop/report.h"

namespace strop::pipeline {

// Not a decoder of text: its artifacts are opened as functions of named tensors.
bool runs_on_tensors(const Model& model);

// Run options in full: the preset's, and the run's threads where the worker has a knob for them.
RunOptions options_for(const Trial& trial, const Report& report);

// Fails with unsupported when the worker opens it as another kind than the model is.
Result<std::unique_ptr<WorkerSession>> open(const Trial& trial, const Report& report,
                                            Context& context);

// What was in force while the worker was measured; the threads are those that its engine states.
Conditions conditions_of(WorkerSession& worker, const std::string& engine_version,
                         std::uint64_t seed);
// With what the engine says of this trial's session.
Conditions conditions_of(const Trial& trial, WorkerSession& worker, const Report& report);

}  // namespace strop::pipeline
