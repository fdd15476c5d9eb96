// Measuring outside of a run: two artifacts or runs against each other, and one artifact under
// load.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "strop/contrast.h"
#include "strop/run.h"

namespace strop {

// Of the request the goal's budget, workload, evaluation_data and seed count, and how workers are
// started. Each side is a file, a folder or a store id ("WORKER:" before it chooses the engine), or
// both are run folders or report.json files. margin: differences up to this share do not count.
Result<Contrast> contrast(const std::string& first, const std::string& second, double margin,
                          const RunRequest& request, Observer& observer, std::stop_token stop);

std::string to_terminal(const Contrast& contrast, std::size_t width, bool unicode);
std::string to_json(const Contrast& contrast, int indent = 2);

// Traffic to put on one artifact.
struct LoadRequest {
  std::vector<std::uint32_t> streams{1, 2, 4};       // concurrent sequences, closed loop
  std::vector<std::uint32_t> prompts{32, 128, 512};  // tokens, for the time to first token
  std::optional<double> rate;  // requests/s of the open loop; empty: 70 % of the closed loop's best
  bool operator==(const LoadRequest&) const = default;
};

// One artifact under load, with everything that could not be measured and why.
struct LoadOutcome {
  int schema_version = 1;
  std::string tool_version;
  std::string name;
  Artifact artifact;
  Measurement measurement;
  std::vector<std::string> warnings;
  bool operator==(const LoadOutcome&) const = default;
};

// Takes about the budget of the request's goal.
Result<LoadOutcome> measure_load(const std::string& artifact, const LoadRequest& load,
                                 const RunRequest& request, Observer& observer,
                                 std::stop_token stop);

std::string to_terminal(const LoadOutcome& outcome, std::size_t width, bool unicode);
std::string to_json(const LoadOutcome& outcome, int indent = 2);

}  // namespace strop
