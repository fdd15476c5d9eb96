// A stage as a verb: the report of the one before in, the report out.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "strop/run.h"

namespace strop::cli {

struct StageInvocation {
  RunRequest request;
  std::string input;
  bool json = false;
  const CLI::App* verb = nullptr;
};

int stage_verb(StageInvocation& in, Stage stage);

}  // namespace strop::cli
