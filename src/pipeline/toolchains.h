// Toolchains as the pipeline sees them: more workers, which may not be installed yet.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "pipeline/context.h"
#include "toolchain/environment.h"

namespace strop::pipeline {

// Of every toolchain that ships; nothing where the shipped data cannot be read.
std::vector<WorkerCommand> toolchain_workers();

// Why a worker of a toolchain cannot be started, by its name; those that can be are not in it.
std::map<std::string, std::string> missing_workers();

}  // namespace strop::pipeline
