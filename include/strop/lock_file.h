// What a run was made of and what came out of it, pinned: with it the run can be repeated, here or
// elsewhere, and told which number changed and which input differs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "strop/artifact.h"
#include "strop/goal.h"
#include "strop/measurement.h"
#include "strop/plan.h"
#include "strop/result.h"
#include "strop/target.h"

namespace strop {

struct PinnedData {
  std::string what;  // model, evaluation, rules
  std::string path;  // where it lay; the digest says what it was
  std::string sha256;
  bool operator==(const PinnedData&) const = default;
};

struct PinnedWorker {
  std::string name;     // llama_cpp, convert, text, ...
  std::string version;  // as it says itself; empty for one that runs no model
  std::string sha256;   // of its program
  bool operator==(const PinnedWorker&) const = default;
};

struct PinnedTrial {
  std::string id;
  Role role = Role::candidate;
  Recipe recipe;
  RunPreset run_preset;  // the one that was measured in full
  std::string artifact_id;
  std::vector<ArtifactFile> files;
  std::vector<Metric> numbers;
  bool operator==(const PinnedTrial&) const = default;
};

struct LockFile {
  int schema_version = 1;
  std::string tool_version;
  std::string run_id;
  std::string date;    // ISO 8601, UTC
  std::string target;  // as it was asked for; empty: the machine that ran it
  Goal goal;           // the seed is in it
  bool confine = true;
  std::optional<std::uint64_t> worker_memory_bytes;
  std::optional<double> worker_silence_seconds;
  std::optional<Target> machine;
  std::vector<PinnedData> data;
  std::vector<PinnedWorker> workers;
  std::vector<PinnedTrial> trials;  // those that were measured
  bool operator==(const LockFile&) const = default;
};

// same: within the intervals, or some pages of memory. changed: the intervals do not meet, or a
// number without an interval differs. moved: what a clock or a counter of energy told, and differs;
// that follows the machine's minutes, what counts is the paired speed. noisy: one of the two cannot
// be told. missing: not measured now, which counts unless a clock told it.
// added: not measured then.
enum class Sameness { same, changed, moved, noisy, missing, added };

struct InputChange {
  std::string what;  // "model", "worker llama_cpp", "machine", ...
  std::string before;
  std::string now;
  bool operator==(const InputChange&) const = default;
};

struct NumberChange {
  std::string trial;   // framework, recipe and run options
  std::string number;  // its metric and what it refers to; "file model.gguf" for an artifact's file
  std::optional<Metric> before;
  std::optional<Metric> now;
  std::string before_text;  // what is no metric: a digest
  std::string now_text;
  Sameness sameness = Sameness::same;
  bool operator==(const NumberChange&) const = default;
};

// A run held against the lock file it repeats.
struct Repeat {
  int schema_version = 1;
  std::string run_id;                 // of the first
  std::string date;                   // of the first
  std::uint32_t compared = 0;         // numbers
  std::vector<InputChange> inputs;    // those that differ
  std::vector<NumberChange> numbers;  // all but the same
  bool repeated = false;  // no input differs, no number changed, none but a clock's is missing
  bool operator==(const Repeat&) const = default;
};

// From a run folder or the file itself.
Result<LockFile> read_lock_file(const std::string& folder_or_file);

// Pure.
Repeat compare(const LockFile& before, const LockFile& now);

std::string to_json(const LockFile& lock, int indent = 2);
std::string to_json(const Repeat& repeat, int indent = 2);
std::string to_terminal(const Repeat& repeat, std::size_t width, bool colour, bool unicode);
std::string lock_file_schema();

}  // namespace strop
