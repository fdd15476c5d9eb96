// The thresholds of gates under their names: the user's gate (--gate NAME=VALUE) and the rules'
// (share/plan/gates.json).
#pragma once

#include <array>

#include "strop/goal.h"

namespace strop {

struct ThresholdName {
  const char* gate;
  const char* rule;
  double Thresholds::*field;
  const char* what;
};

inline constexpr std::array kThresholdNames{
    ThresholdName{"accuracy", "accuracy_ratio", &Thresholds::accuracy_ratio,
                  "lowest share of the original's"},
    ThresholdName{"speed", "speedup", &Thresholds::speedup, "lowest speed over the baseline"},
    ThresholdName{"memory", "memory_ratio", &Thresholds::memory_ratio,
                  "highest share of the baseline's peak"},
    ThresholdName{"consistency", "variation", &Thresholds::variation,
                  "highest variation of the time per token"},
    ThresholdName{"ab_test", "ab_error", &Thresholds::ab_error,
                  "highest error of the sequential test"},
    ThresholdName{"stress", "stress_errors", &Thresholds::stress_errors,
                  "most failed requests under load"},
    ThresholdName{"stress_latency", "stress_slowdown", &Thresholds::stress_slowdown,
                  "highest p95 over the fair share"},
    ThresholdName{"stress_memory", "stress_growth", &Thresholds::stress_growth,
                  "highest growth of memory under load"},
    ThresholdName{"stability_memory", "leak", &Thresholds::leak,
                  "highest growth of memory over the soak"},
    ThresholdName{"stability_latency", "drift", &Thresholds::drift,
                  "highest growth of latency over the soak"},
    ThresholdName{"security", "security_findings", &Thresholds::security_findings,
                  "most findings"}};

// The gate of which the threshold, nats of mean KL, follows from the recipe's precision unless the
// user gives another.
inline constexpr const char* kConversionGate = "conversion";

}  // namespace strop
