// What the programs of bench/ share: opening a GGUF file in a worker, and how they end.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/proxy.h"
#include "store/store.h"

namespace strop::bench {

inline int failed(const Error& error) {
  std::cerr << error.message << ' ' << error.hint << '\n';
  return EXIT_FAILURE;
}

// NAME=VALUE arguments from `first` on.
inline RunOptions options_from(int argc, char** argv, int first) {
  RunOptions options;
  for (int i = first; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto equals = argument.find('=');
    if (equals != std::string::npos)
      options[argument.substr(0, equals)] = argument.substr(equals + 1);
  }
  return options;
}

// The other arguments from `first` on.
inline std::vector<std::filesystem::path> files_from(int argc, char** argv, int first) {
  std::vector<std::filesystem::path> files;
  for (int i = first; i < argc; ++i)
    if (std::string(argv[i]).find('=') == std::string::npos) files.emplace_back(argv[i]);
  return files;
}

// As a run of Strop starts workers: confined, with what they found out about the machine at hand.
inline WorkerPolicy policy() {
  WorkerPolicy usual;
  if (const auto store = Store::open_default()) usual.cache = store->workers_cache();
  return usual;
}

inline Result<std::unique_ptr<WorkerSession>> open_gguf(const std::filesystem::path& worker,
                                                        const std::filesystem::path& file,
                                                        const RunOptions& options) {
  const auto path = std::filesystem::absolute(file);
  const Artifact artifact{.backend = "llama_cpp",
                          .format = "gguf",
                          .folder = path.parent_path().string(),
                          .entry = path.filename().string()};
  return WorkerBackend(worker, policy())
      .open(artifact, options, {.dir = std::filesystem::temp_directory_path()});
}

}  // namespace strop::bench
