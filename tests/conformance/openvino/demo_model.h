// The demo model as OpenVINO artifacts, made once per run of the tests by the real workers.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "backend.h"
#include "core/proxy.h"

namespace strop::openvino::test {

[[noreturn]] inline void skip(const std::string& reason) {
  std::cout << "skipped: " << reason << std::endl;
  std::exit(77);
}

// A folder that goes with the process.
class Scratch {
 public:
  Scratch() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "strop-openvino-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline const std::filesystem::path& scratch() {
  static const Scratch instance;
  return instance.path();
}

template <class T>
T taken(Result<T> result) {
  REQUIRE_MESSAGE(result, result.error().message);
  return *std::move(result);
}

inline Model demo() {
  if (!std::filesystem::exists(STROP_DEMO_MODEL))
    skip("the demo model is missing (tools/setup makes it)");
  return {.path = STROP_DEMO_MODEL,
          .format = "huggingface",
          .architecture = "llama",
          .kind = ModelKind::llm,
          .precision = "bf16",
          .context_length = 8192};
}

inline Target machine() { return {.arch = "x86_64"}; }

inline Recipe recipe_named(const std::string& name) {
  for (const auto& recipe : OpenVinoBackend().space(demo(), machine()).recipes) {
    if (recipe.name == name) return recipe;
  }
  FAIL("there is no recipe ", name);
  return {};
}

// All steps of the recipe, each in a confined worker, as the pipeline runs them.
inline Artifact made(const Recipe& recipe) {
  Model input = demo();
  Artifact artifact;
  for (std::size_t step = 0; step < recipe.steps.size(); ++step) {
    const auto folder = scratch() / (recipe.name + std::to_string(step));
    if (!std::filesystem::exists(folder)) std::filesystem::create_directories(folder);
    const auto* program =
        recipe.steps[step].worker == "openvino" ? STROP_OPENVINO_WORKER : STROP_CONVERT_WORKER;
    artifact = taken(WorkerBackend(program, {}).build(input, recipe, step, {.dir = folder}));
    artifact.folder = folder.string();
    input.path = (folder / artifact.entry).string();
    input.format = artifact.format;
  }
  return artifact;
}

inline const Artifact& f16() {
  static const Artifact artifact = made(recipe_named("f16"));
  return artifact;
}

inline std::unique_ptr<Session> opened(const Artifact& artifact, const RunOptions& options = {}) {
  return taken(OpenVinoBackend().open(artifact, options, {}));
}

}  // namespace strop::openvino::test
