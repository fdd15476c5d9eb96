// Two artifacts, or two runs, side by side: is the second better, worse or no different, and how
// sure is that?
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "strop/artifact.h"
#include "strop/measurement.h"

namespace strop {

// Of the second against the first. `differs`: they are not the same, and neither is the better one;
// `undecided`: the interval has both on it, or the control does not support an answer.
enum class Finding { better, worse, no_difference, differs, undecided, not_measured };

struct Difference {
  std::string metric;   // of docs/metrics.md
  std::string subject;  // which trial, where runs are compared
  std::string unit;     // of first and second
  std::optional<double> first;
  std::optional<double> second;
  std::optional<double> ratio;       // second over first
  std::optional<Interval> interval;  // of the ratio; of second, where there is no ratio
  std::optional<Interval> control;   // of first over first, in the same rounds
  std::uint32_t pairs = 0;           // or samples of the shorter side
  double margin = 0;                 // differences up to this share do not count
  Finding finding = Finding::not_measured;
  std::string reason;  // one sentence
  bool operator==(const Difference&) const = default;
};

struct Side {
  std::string name;                  // as the user gave it
  std::optional<Artifact> artifact;  // absent for a run
  std::string run_id;                // empty for an artifact
  std::string machine;
  Conditions conditions;
  bool operator==(const Side&) const = default;
};

struct Contrast {
  int schema_version = 1;
  std::string tool_version;
  std::string date;  // ISO 8601, UTC
  Side first;
  Side second;
  std::vector<Difference> differences;
  std::vector<std::string> warnings;  // what else differs between the two, and what that means
  Finding overall = Finding::not_measured;  // the worst that was found
  bool operator==(const Contrast&) const = default;
};

}  // namespace strop
