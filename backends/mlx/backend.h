// Apple's MLX as a framework of Strop: runs the MLX folders that the worker convert makes, on Metal
// where there is an Apple GPU, else on the CPU to check that they are right.
#pragma once

#include "strop/backend.h"

namespace strop::mlx {

class MlxBackend final : public Backend {
 public:
  BackendInfo info() const override;
  Fit assess(const Model& model, const Target& target) const override;
  RecipeSpace space(const Model& model, const Target& target) const override;
  // Makes nothing itself: every step of its recipes is one of the worker convert.
  Result<Artifact> build(const Model& input, const Recipe& recipe, std::size_t step,
                         const Workspace& workspace) const override;
  Result<std::unique_ptr<Session>> open(const Artifact& artifact, const RunOptions& options,
                                        const Workspace& workspace) const override;
};

}  // namespace strop::mlx
