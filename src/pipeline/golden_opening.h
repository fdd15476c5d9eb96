// Artifacts that are opened outside of a run, where only the records beside them are known.
#pragma once

#include <string>

#include "core/proxy.h"
#include "pipeline/context.h"

namespace strop::pipeline {

// Holds a freshly opened decoder against the golden record beside the artifact, as quickly as an
// opening in a run does (docs/golden.md): its own for the options that were asked for, else the
// original's, each with the limit that it states. Nothing to hold it against is no error. Fails
// with backend, naming the artifact, the record, what differs and by how much.
Result<void> check_beside(const Artifact& artifact, const RunOptions& asked,
                          const std::string& engine_version, WorkerSession& worker,
                          Context& context);

}  // namespace strop::pipeline
