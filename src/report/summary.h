// The report as both readers need it: which trials are rows of the table and in which order, what
// was tried in vain and why, what was not measured. Pointers are into the Report, which must
// outlive the Summary.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "report/figures.h"
#include "report/wording.h"
#include "strop/report.h"

namespace strop {

struct Row {
  const Trial* trial = nullptr;
  const GateReport* gates = nullptr;  // null: not gated (baseline, quality reference)
  bool on_front = false;
  bool recommended = false;
  std::optional<Quantity> over_unquantised;  // speed against the fastest unquantised artifact
};

// Trials that led to no row, or whole groups of them, with their common reason.
struct Setback {
  std::string what;  // "llama_cpp q8_0 (no_flash, repack)"
  std::string reason;
};

// One A/A control and the artifacts that its rounds timed.
struct ControlRow {
  Control control;
  std::string timed;  // "llama_cpp q8_0, openvino int8"; the baseline, which is in all, left out
};

struct Summary {
  Summary() = default;
  Summary(Summary&&) = default;  // a copy's `recommended` would point into the original
  Summary& operator=(Summary&&) = default;

  const Wording* wording = nullptr;  // never null once summarised
  std::vector<Row> rows;             // baseline, reference, recommended, front, the rest
  const Trial* baseline = nullptr;
  const Trial* fastest_unquantised = nullptr;
  // Whether the original's run options were searched as the artifacts' were; else what is faster
  // may be tuning.
  bool unquantised_searched = false;
  const Row* recommended = nullptr;  // into rows
  std::vector<Setback> failed, dominated, infeasible, not_tried;
  std::vector<std::string> not_measured;
  std::vector<ControlRow> controls;
};

Summary summarise(const Report& report);

// The last part of the model's path: what people call it.
std::string file_name(const Model& model);
// "q8_0", or "q8_0 no_flash" when the run preset is not the default one.
std::string recipe_text(const Trial& trial);
// Framework and recipe.
std::string trial_text(const Trial& trial);

// The figure for the whole evaluation, not for a bucket of positions, a number of streams or one of
// several outputs; null: not measured.
const Metric* overall(const Trial& trial, std::string_view metric);
std::vector<const Metric*> by_position(const Trial& trial, std::string_view metric);
// Of each part of the evaluation data, and of each kind of task.
std::vector<const Metric*> by_domain(const Trial& trial, std::string_view metric);
// accuracy of the domain that lost most; null where there are no domains.
const Metric* worst_domain(const Trial& trial);
// kl_worst_sequence of the evaluated sequences that are farthest from the original, worst first.
std::vector<const Metric*> worst_sequences(const Trial& trial);

// An artifact in every framework that was asked to open it.
struct MatrixRow {
  const Trial* trial = nullptr;
  std::vector<const CrossCheck*> cells;
};
std::vector<MatrixRow> matrix_rows(const Report& report);
std::vector<std::string> matrix_frameworks(const Report& report);

std::string role_text(Role role);
std::string verdict_text(Verdict verdict);
std::string comparison_text(const Gate& gate);  // "at least 2"
// "speed: fail, 1.7 (1.6-1.8), needs at least 2"
std::string gate_text(const Gate& gate);
std::vector<const Gate*> open_required_gates(const GateReport& gates);  // required and not passed

}  // namespace strop
