// One recipe tried with one set of run options.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strop/artifact.h"
#include "strop/measurement.h"
#include "strop/plan.h"
#include "strop/result.h"

namespace strop {

enum class TrialStatus { ok, infeasible, dominated, failed, not_tried };

struct Trial {
  std::string id;  // recipe id and run options
  Role role = Role::candidate;
  Recipe recipe;
  std::string run_preset;  // name; run_options has the values
  RunOptions run_options;
  std::optional<Artifact> artifact;
  std::optional<Measurement> measurement;
  std::optional<Error> error;
  TrialStatus status = TrialStatus::not_tried;
  std::string reason;  // for every status but ok
  double wall_seconds = 0;
  bool operator==(const Trial&) const = default;
};

// The trial of a vector with that role (there is one baseline and one quality reference), or with
// that id; nullptr: none.
template <class Trials>
auto find_trial(Trials& trials, Role role) -> decltype(trials.data()) {
  const auto found = std::find_if(trials.begin(), trials.end(),
                                  [&](const auto& trial) { return trial.role == role; });
  return found == trials.end() ? nullptr : &*found;
}
template <class Trials>
auto find_trial(Trials& trials, std::string_view id) -> decltype(trials.data()) {
  const auto found =
      std::find_if(trials.begin(), trials.end(), [&](const auto& trial) { return trial.id == id; });
  return found == trials.end() ? nullptr : &*found;
}

struct Objective {
  std::string metric;
  bool maximise = false;
  bool operator==(const Objective&) const = default;
};

struct Front {
  std::vector<Objective> objectives;
  std::vector<std::string> trial_ids;  // non-dominated, in order of the first objective
  std::string recommended_id;          // empty: none
  std::string why;
  bool operator==(const Front&) const = default;
};

}  // namespace strop
