// Artifacts as a run makes them, without a store: each step of a recipe in its confined worker.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "core/proxy.h"

namespace strop::test {

template <class T>
T taken(Result<T> result) {
  REQUIRE_MESSAGE(result, result.error().message);
  return *std::move(result);
}

// A worker of the build under test.
inline std::filesystem::path program(const std::string& worker) {
  return std::filesystem::path(STROP_WORKERS_FOLDER) / ("strop-worker-" + worker);
}

inline std::filesystem::path fresh(const std::filesystem::path& folder) {
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

// The recipe of that name that the framework itself offers for the model.
inline Recipe recipe_named(const std::string& framework, const Model& model,
                           const std::string& name) {
  const auto fit = taken(WorkerBackend(program(framework), {}).fit(model, {.arch = "x86_64"}));
  for (const Recipe& recipe : fit.space.recipes) {
    if (recipe.name == name) return recipe;
  }
  FAIL(framework << " offers no recipe " << name);
  return {};
}

inline Model as_input(const Artifact& artifact, Model original) {
  original.path = (std::filesystem::path(artifact.folder) / artifact.entry).string();
  original.format = artifact.format;
  return original;
}

// The steps of a recipe from `first` on; the last one's artifact lies in `folder`.
inline Artifact made(Model input, const Recipe& recipe, const std::filesystem::path& folder,
                     std::size_t first = 0) {
  Artifact artifact;
  for (std::size_t step = first; step < recipe.steps.size(); ++step) {
    const bool last = step + 1 == recipe.steps.size();
    const auto place =
        fresh(last ? folder : std::filesystem::path(str(folder.string(), "-", step)));
    const WorkerBackend worker(program(recipe.steps[step].worker), {});
    artifact = taken(worker.build(input, recipe, step, {.dir = place}));
    artifact.folder = place.string();
    input = as_input(artifact, input);
  }
  return artifact;
}

}  // namespace strop::test
