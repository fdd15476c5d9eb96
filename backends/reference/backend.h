// The oracle as a worker: llama-type GGUF files in fp32, on short texts. It makes no artifacts.
#pragma once

#include "strop/backend.h"

namespace strop::reference {

class ReferenceBackend : public Backend {
 public:
  BackendInfo info() const override;
  Fit assess(const Model& model, const Target& target) const override;
  RecipeSpace space(const Model& model, const Target& target) const override;
  Result<Artifact> build(const Model& input, const Recipe& recipe, std::size_t step,
                         const Workspace& workspace) const override;
  Result<std::unique_ptr<Session>> open(const Artifact& artifact, const RunOptions& options,
                                        const Workspace& workspace) const override;
};

}  // namespace strop::reference
