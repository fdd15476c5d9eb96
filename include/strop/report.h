// The fold of everything a run found out. Each stage takes a Report and returns it with its part
// filled in, so every verb's output is the next verb's input.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "strop/assessment.h"
#include "strop/gate.h"
#include "strop/goal.h"
#include "strop/model.h"
#include "strop/plan.h"
#include "strop/target.h"
#include "strop/trial.h"

namespace strop {

// In pipeline order.
enum class Stage { none, assess, plan, optimize, measure, gate, report };

// One artifact opened by one framework, whichever it was made for: its first few answers against
// the original's.
struct CrossCheck {
  std::string trial_id;
  std::string backend;                      // that opened it
  RunOptions run_options;                   // in force where it was opened
  std::optional<Metric> metric;             // kl_mean or noise_ratio; absent: not opened
  Verdict verdict = Verdict::not_measured;  // against what the artifact's precision explains
  std::string reason;                       // why there is no metric
  bool operator==(const CrossCheck&) const = default;
};

struct Recommendation {
  std::string title;
  std::string text;
  bool operator==(const Recommendation&) const = default;
};

// What is worth an alert once the recommended artifact runs somewhere.
struct Alert {
  std::string metric;
  std::string unit;
  double above = 0;          // the end of the measured interval that is worse: it was seen here
  bool has_interval = true;  // false: the measured value itself, nothing is known of its spread
  bool operator==(const Alert&) const = default;
};

// The way from the original to the recommended artifact, one step at a time.
enum class MilestoneKind { baseline, conversion, quantisation, acceleration, validation };

struct Milestone {
  MilestoneKind kind = MilestoneKind::baseline;
  std::string trial_id;            // whose figures these are; empty: nothing was measured for it
  std::optional<Metric> size;      // bytes on disk
  std::optional<Metric> accuracy;  // of the original
  std::optional<Metric> speedup;   // over the baseline
  std::optional<Metric> memory;    // peak
  std::string text;                // what it brought, or why nothing is known
  bool operator==(const Milestone&) const = default;
};

struct Report {
  int schema_version = 2;
  std::string run_id;
  std::string tool_version;
  std::string started_at;  // ISO 8601, UTC
  std::string finished_at;
  Stage finished_stage = Stage::none;
  Goal goal;
  std::optional<Model> model;
  std::optional<Target> target;
  std::optional<Assessment> assessment;
  std::optional<Plan> plan;
  std::vector<Trial> trials;       // baseline and quality reference included
  std::string request;             // what was timed: "256 prompt + 64 new tokens"
  std::vector<CrossCheck> matrix;  // artifact x framework
  std::optional<Front> front;
  std::vector<GateReport> gates;      // one per measured candidate
  std::vector<Milestone> milestones;  // in the order of the kinds
  std::vector<Recommendation> recommendations;
  std::vector<Alert> alerts;  // for the recommended artifact; none for what was noisy
  std::vector<std::string> warnings;
  bool operator==(const Report&) const = default;
};

}  // namespace strop
