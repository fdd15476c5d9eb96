// Several runs, or the same run on several machines, next to each other.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "strop/measurement.h"
#include "strop/report.h"
#include "strop/result.h"

namespace strop {

struct SideRun {
  std::string name;  // of its folder or file
  std::string run_id;
  std::string tool_version;
  std::string date;
  std::string model;
  std::string machine;
  std::string baseline;                 // framework and recipe; its time is what speeds refer to
  std::optional<Metric> baseline_time;  // of one request
  std::string recommended;              // framework, recipe, run options; empty: none
  bool passed = false;                  // every required gate, for the recommended artifact
  std::string gates;                    // "2/3, open: speed"
  bool operator==(const SideRun&) const = default;
};

// What one run measured of an artifact; absent: not measured there.
struct SideCell {
  std::optional<Metric> size, accuracy, divergence, speedup, request_time, memory;
  std::string status;  // ok, failed, dominated, not_tried, ...; empty: not in that run's plan
  bool operator==(const SideCell&) const = default;
};

struct SideRow {
  std::string artifact;         // framework, recipe, run options
  std::vector<SideCell> cells;  // one per run, in their order
  bool operator==(const SideRow&) const = default;
};

struct SideBySide {
  int schema_version = 1;
  std::vector<SideRun> runs;
  std::vector<SideRow> rows;       // artifacts that at least one run measured
  std::vector<std::string> notes;  // why figures of different runs may not be compared
  bool operator==(const SideBySide&) const = default;
};

struct NamedReport {
  std::string name;
  Report report;
};

// The report of a run folder or of a report.json. Fails with not_found or invalid_input.
Result<NamedReport> read_run(const std::string& folder_or_file);

// Pure. Names of runs are made unique by number where two are alike.
SideBySide side_by_side(const std::vector<NamedReport>& runs);

std::string to_json(const SideBySide& sides, int indent = 2);
std::string to_terminal(const SideBySide& sides, std::size_t width, bool colour, bool unicode);
// Writes side_by_side.json and side_by_side.html to the folder, as write_report(Report) does.
Result<void> write_report(const SideBySide& sides, const std::string& folder);

}  // namespace strop
