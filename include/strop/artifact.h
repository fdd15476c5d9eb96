// Something that can be shipped: files, and how they were made.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace strop {

struct ArtifactFile {
  std::string path;  // relative to the artifact's folder
  std::uint64_t bytes = 0;
  std::string sha256;
  bool operator==(const ArtifactFile&) const = default;
};

struct Artifact {
  std::string id;  // hash of model and build steps, never of run options
  std::string model_id;
  std::string recipe_id;
  std::string backend;
  std::string backend_version;  // of the worker that made it
  std::string format;           // gguf, openvino_ir, ...
  std::string folder;           // absolute, where the files lie now; not part of the id
  std::string entry;            // the file the engine opens, relative to folder
  std::vector<ArtifactFile> files;
  std::uint64_t total_bytes = 0;   // of what the engine needs; the tokenizer beside it included
  double build_seconds = 0;        // of all steps, when they were first run
  std::vector<std::string> notes;  // e.g. tensors that fell back to another type
  bool operator==(const Artifact&) const = default;
};

}  // namespace strop
