// The flags that describe a run, the same for every verb that takes them.
#pragma once

#include <CLI/CLI.hpp>

#include "strop/run.h"

namespace strop::cli {

// Groups of flags in --help. What a lock file or a report says already is of these.
inline constexpr const char* kGoal = "Goal";
inline constexpr const char* kWorkers = "Workers";

// Adds the flags of the goal and the target.
void add_goal_flags(CLI::App& app, RunRequest& request);
// Those of them that measuring outside of a run takes.
void add_measure_flags(CLI::App& app, RunRequest& request);
// How workers are started: part of the goal flags, and of verbs that have no goal.
void add_worker_flags(CLI::App& app, RunRequest& request);
// Adds -o.
void add_out_flag(CLI::App& app, RunRequest& request, bool required);

// Adds --store-limit, which STROP_STORE_LIMIT sets too.
void add_store_limit(CLI::App& app, RunRequest& request);

// Rules that concern several flags at once, checked after parsing.
Result<void> check(const RunRequest& request);

}  // namespace strop::cli
