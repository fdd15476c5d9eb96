// Made-up trials for the tests of search.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "strop/trial.h"

namespace strop {

inline Metric metric(std::string name, double value) {
  Metric made;
  made.metric = std::move(name);
  made.value = value;
  return made;
}

inline Trial trial(const std::string& id, std::uint64_t bytes, std::vector<Metric> metrics) {
  Trial made;
  made.id = id;
  made.recipe.name = id;
  made.recipe.backend = "engine";
  made.status = TrialStatus::ok;
  made.artifact = Artifact{};
  made.artifact->total_bytes = bytes;
  made.measurement = Measurement{};
  made.measurement->metrics = std::move(metrics);
  return made;
}

}  // namespace strop
