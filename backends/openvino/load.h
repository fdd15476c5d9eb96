// How a file becomes a compiled model, for both kinds of session.
#pragma once

#include <filesystem>
#include <openvino/runtime/core.hpp>

#include "core/clock.h"
#include "options.h"
#include "strop/backend.h"

namespace strop::openvino {

struct Loaded {
  Stopwatch watch;
  ov::Core core;
  Devices devices;
  std::shared_ptr<ov::Model> model;  // until it is compiled
  ov::CompiledModel compiled;
  RunOptions given;
  RunOptions options;  // with the values in force, once it is compiled
};

// Reads a file that a validator of src/formats has passed.
Loaded read_graph(const std::filesystem::path& file);

// Checks the run options for a session of that kind.
Result<void> choose(Loaded& loaded, SessionKind kind, const RunOptions& given,
                    const Workspace& workspace);

// Fails with unsupported where the plug-in would run with other values than those given.
Result<void> compile(Loaded& loaded);

// Of a session whose model is compiled.
SessionInfo info_of(const Loaded& loaded);

}  // namespace strop::openvino
