// Turns the user's files into samples. A step of a build like the conversions: it runs no model.
#pragma once

#include "strop/backend.h"

namespace strop::data {

// build: input.path is the data, a file or a folder. The step's params: "inputs" and "outputs" (the
// model's, as JSON), "seed", "calibration" and "evaluation" (the most samples of each).
class DataBackend : public Backend {
 public:
  BackendInfo info() const override;
  Fit assess(const Model& model, const Target& target) const override;
  RecipeSpace space(const Model& model, const Target& target) const override;
  Result<Artifact> build(const Model& input, const Recipe& recipe, std::size_t step,
                         const Workspace& workspace) const override;
  Result<std::unique_ptr<Session>> open(const Artifact& artifact, const RunOptions& options,
                                        const Workspace& workspace) const override;
};

}  // namespace strop::data
