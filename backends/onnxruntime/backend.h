// The worker of ONNX Runtime: decoders with cached keys and values, and any other model.
#pragma once

#include "strop/backend.h"

namespace strop::onnxruntime {

class OnnxRuntimeBackend final : public Backend {
 public:
  BackendInfo info() const override;
  Fit assess(const Model& model, const Target& target) const override;
  RecipeSpace space(const Model& model, const Target& target) const override;
  Result<Artifact> build(const Model& input, const Recipe& recipe, std::size_t step,
                         const Workspace& workspace) const override;
  Result<std::unique_ptr<Session>> open(const Artifact& artifact, const RunOptions& options,
                                        const Workspace& workspace) const override;
};

}  // namespace strop::onnxruntime
