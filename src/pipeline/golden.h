// Golden records (docs/golden.md): made of the original once per run, attached to each artifact
// that passes, and held against whatever is opened.
#pragma once

#include "pipeline/contestant.h"
#include "strop/golden.h"

namespace strop::pipeline {

// What is recorded of a tensor model: a few samples that it is evaluated on.
struct GoldenInputs {
  std::string id;  // digest of what the samples are made from
  std::vector<std::vector<Tensor>> samples;
  std::string output;  // that the task is about; empty: the first that is no whole number
};

// The original's record, in the run folder: of a decoder at Strop's own prompts, or of a function
// of tensors at these inputs. From then on every artifact that is opened is held against it.
Result<void> record_original(const Trial& reference, const Report& report, Context& context);
Result<void> record_original(const Trial& reference, const GoldenInputs& inputs,
                             const Report& report, Context& context);

// Holds a freshly opened artifact against the records beside it, else against the original's of
// this run; nothing to hold it against is no error. Fails with backend, naming the record, what
// differs and by how much. `asked` are the run options that it was opened with, `now` the
// conditions it runs in.
Result<void> check_opened(const Trial& trial, const RunOptions& asked, Session& session,
                          const Conditions& now, const Report& report, Context& context);

// The same outside of a run, with the records beside the artifact alone and the
// limits that they state.
Result<void> check_beside(const Artifact& artifact, const RunOptions& asked,
                          const std::string& engine_version, WorkerSession& worker,
                          Context& context);

// Writes both records beside the artifact, whose id does not change. For one whose distance from
// the original (kl_mean in nats, or noise_ratio) is what its precision explains: beyond that,
// nothing is written.
Result<void> attach_records(const Trial& trial, double distance, WorkerSession& worker,
                            const Report& report, Context& context);

// See strop::verify.
Result<GoldenReport> verify_artifact(const std::filesystem::path& folder, Context& context);

}  // namespace strop::pipeline
