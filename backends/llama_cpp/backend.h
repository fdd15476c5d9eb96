// llama.cpp as a framework of Strop: runs GGUF files on its CPU kernels.
#pragma once

#include "cpu_variants.h"
#include "strop/backend.h"

namespace strop::llama_cpp {

class LlamaBackend final : public Backend {
 public:
  // worker: the program that tests the CPU kernels on itself; by default this one.
  explicit LlamaBackend(std::filesystem::path worker = "/proc/self/exe");

  BackendInfo info() const override;
  Fit assess(const Model& model, const Target& target) const override;
  RecipeSpace space(const Model& model, const Target& target) const override;
  Result<Artifact> build(const Model& input, const Recipe& recipe, std::size_t step,
                         const Workspace& workspace) const override;
  Result<std::unique_ptr<Session>> open(const Artifact& artifact, const RunOptions& options,
                                        const Workspace& workspace) const override;

 private:
  CpuVariants variants_;
};

}  // namespace strop::llama_cpp
