// Golden records on disk (docs/golden.md): where they lie, which one an artifact is held against,
// and how far it may be from it.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "pipeline/contestant.h"
#include "strop/golden.h"

namespace strop::pipeline {

inline constexpr const char* kGoldenFolder = "golden";  // beside an artifact, and in a run folder
inline constexpr const char* kOriginalRecord = "original";  // begins the names of its files

// The original's record in such a folder.
std::filesystem::path original_of(const std::filesystem::path& folder);

Result<void> write_record(const Golden& golden, const std::filesystem::path& path);
// unsupported: a record of another version.
Result<Golden> read_record(const std::filesystem::path& path);

// Begins the names of an own record's files. Own outputs depend on how the artifact is run, so
// there may be several records.
std::string own_name(const std::string& backend, const RunOptions& asked);
// Outputs do not depend on the number of threads beyond what the limits allow.
RunOptions without_threads(RunOptions options);

// What the recipe's precision and the run options in force explain of the distance from the
// original: kl_mean in nats, or noise_ratio.
Result<double> tolerance_of(const Recipe& recipe, const std::string& metric,
                            const RunOptions& in_force, Context& context);

struct Record {
  std::filesystem::path folder;
  std::string file;
  Golden golden;
  double limit = 0;  // that holds here
  bool made_here = false;
  // Of an own record: its numbers repeat where it was made.
  double stated_limit() const { return made_here ? golden.limit : golden.limit_elsewhere; }
};

// The first of these files that is there and of this version, its limit not yet set; none is no
// error.
Result<std::optional<Record>> first_record(std::span<const std::filesystem::path> files);

// What an artifact is held against when it is opened with these options asked for and those in
// force: its own record for what was asked, else the original's beside it, else the original's of
// this run; none is no error.
Result<std::optional<Record>> record_for(const Trial& trial, const RunOptions& asked,
                                         const RunOptions& in_force, const Conditions& now,
                                         const Report& report, Context& context);

// Whether this machine, with this engine and these kernels, is what made an own record: then its
// numbers repeat.
bool made_here(const Golden& golden, const std::string& target_id, const std::string& version,
               const std::string& cpu_variant);

// Of the model's kind: a decoder has rows, a function of tensors samples.
std::string metric_of_record(const Golden& golden);

}  // namespace strop::pipeline
