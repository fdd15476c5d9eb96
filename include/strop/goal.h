// What the user asked for. Nothing here is ever changed in silence.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace strop {

// strict: what production asks, and noisy or not measured is a failure.
enum class Profile { prototype, production, strict };

struct Limits {
  std::optional<double> latency_ms;           // inter-token, median
  std::optional<std::uint64_t> memory_bytes;  // peak
  std::optional<std::uint64_t> size_bytes;    // artifact on disk
  std::optional<double> energy_joules;        // per token
  bool operator==(const Limits&) const = default;
};

struct Thresholds {
  double accuracy_ratio = 0.95;  // at least, of the original
  double speedup = 2.0;          // at least, over the baseline
  double memory_ratio = 0.5;     // at most, of the baseline
  double variation = 0.2;        // at most, coefficient of variation of latency
  double ab_error = 0.05;        // at most, of the sequential test against the baseline
  double stress_errors = 0;      // at most, failed requests under load
  double stress_slowdown = 2;    // at most, p95 under load over its fair share of the machine
  double stress_growth = 0.05;   // at most, of memory while under load
  double leak = 0.02;            // at most, growth of memory over the soak
  double drift = 0.1;            // at most, growth of latency over the soak
  double security_findings = 0;  // at most, of the checks of what ships
  std::optional<double> conversion_kl;  // at most, nats; empty: by the recipe's precision
  bool operator==(const Thresholds&) const = default;
};

struct Weights {  // for the recommendation; need not sum to 1
  double speed = 1.0;
  double accuracy = 1.0;
  double memory = 1.0;
  bool operator==(const Weights&) const = default;
};

struct Budget {
  double wall_seconds = 330;
  std::optional<std::uint32_t> trials;
  bool operator==(const Budget&) const = default;
};

// The request every latency figure refers to.
struct Workload {
  std::uint32_t prompt_tokens = 256;
  std::uint32_t new_tokens = 64;
  std::uint32_t evaluation_context = 2048;  // tokens per evaluated sequence
  std::uint32_t evaluation_tokens = 0;      // of Strop's own text, about; 0: as the budget allows.
                                            // The user's own text is read whole
  std::uint32_t threads = 0;                // 0: every usable core
  bool operator==(const Workload&) const = default;
};

struct Goal {
  std::string use_case = "llm";
  Profile profile = Profile::prototype;
  std::vector<std::string> frameworks;  // empty: every one that can run
  std::string prefer;                   // speed, accuracy, memory, or empty
  Limits limits;
  Thresholds thresholds;
  Weights weights;
  Budget budget;
  Workload workload;
  std::string evaluation_data;   // folder or file, or NAME=PATH,NAME2=PATH2 by domain; empty: the
                                 // text shipped with Strop
  std::string evaluation_tasks;  // a file of labelled tasks (docs/metrics.md); empty: none
  std::uint64_t seed = 1;
  bool operator==(const Goal&) const = default;
};

}  // namespace strop
