#include "report/terminal.h"

#include <algorithm>
#include <array>
#include <vector>

#include "report/characters.h"
#include "report/milestones.h"
#include "report/summary.h"
#include "report/terminal_writer.h"

namespace strop {
namespace {

using Paint = TerminalPaint;
using Cell = TerminalCell;
using Writer = TerminalWriter;

constexpr std::string_view kAbsent = "\u2014";

struct Column {
  std::string top, bottom;  // the two lines of its heading
  bool right = true;        // numbers end in line
};

constexpr std::size_t kFrameworkColumn = 1, kRecipeColumn = 2, kGateColumn = 9;

std::vector<Column> columns_of(const Wording& wording) {
  std::vector<Column> columns{{"", "", false},
                              {"", "framework", false},
                              {"", "recipe", false},
                              {"", "size"},
                              {"", "accuracy"}};
  for (const Named& latency : wording.latencies)
    columns.push_back({std::string(latency.top), std::string(latency.bottom)});
  columns.push_back({"speed vs", "original"});
  columns.push_back({"peak", "memory"});
  columns.push_back({"required", "gates", false});
  return columns;
}

Cell figure_cell(const Trial& trial, std::string_view name) {
  const Metric* metric = overall(trial, name);
  if (!metric) return {std::string(kAbsent), Paint::dim};
  if (metric->noisy) return {noisy_text(quantity(*metric)), Paint::warn};
  return {value_text(quantity(*metric)), Paint::plain};
}

// Value and interval, the interval only where the column has room for all of them.
Cell speed_cell(const Trial& trial, bool with_interval) {
  const Metric* speed = overall(trial, "speedup");
  if (!speed && trial.role == Role::baseline) return {"1x", Paint::plain};
  if (!speed || speed->noisy || !with_interval || !speed->interval)
    return figure_cell(trial, "speedup");
  const Quantity ratio = quantity(*speed);
  return {value_text(ratio) + " \u00B1" + deviation_text(ratio), Paint::plain};
}

enum class GateDetail { names, first_name, count };

// "3/3", or what is open: "1/3 speed,?energy"; "1/3 speed+1" with the first name only. ~ marks a
// noisy gate, ? one not measured.
Cell gates_cell(const Row& row, GateDetail detail) {
  if (row.trial->role == Role::baseline) return {"baseline", Paint::dim};
  if (row.trial->role == Role::quality_reference) return {"reference", Paint::dim};
  if (!row.gates) return {std::string(kAbsent), Paint::dim};
  std::size_t required = 0;
  for (const Gate& gate : row.gates->gates) required += gate.required ? 1 : 0;
  const auto open = open_required_gates(*row.gates);
  if (open.empty())
    return {str(required, "/", required), row.gates->passed ? Paint::good : Paint::plain};
  bool failed = false;
  std::string names;
  for (const Gate* gate : open) {
    const char* mark = gate->verdict == Verdict::fail    ? ""
                       : gate->verdict == Verdict::noisy ? "~"
                                                         : "?";
    if (detail == GateDetail::names || (detail == GateDetail::first_name && names.empty()))
      names += (names.empty() ? " " : ",") + std::string(mark) + gate->name;
    failed = failed || gate->verdict == Verdict::fail;
  }
  if (detail == GateDetail::first_name && open.size() > 1) names += str("+", open.size() - 1);
  return {str(required - open.size(), "/", required, names), failed ? Paint::bad : Paint::warn};
}

Cell size_cell(const Trial& trial) {
  if (!trial.artifact) return {std::string(kAbsent), Paint::dim};
  return {value_text(bytes_quantity(trial.artifact->total_bytes)), Paint::plain};
}

// All but the gates.
std::vector<Cell> figure_cells(const Row& row, const Wording& wording, bool with_interval) {
  const Trial& trial = *row.trial;
  const std::string mark = row.recommended ? "\u2605" : row.on_front ? "\u25CF" : "";
  std::vector<Cell> out{{mark, row.recommended ? Paint::good : Paint::plain},
                        {trial.recipe.backend},
                        {recipe_text(trial)},
                        size_cell(trial),
                        figure_cell(trial, "accuracy")};
  for (const Named& latency : wording.latencies) out.push_back(figure_cell(trial, latency.metric));
  out.push_back(speed_cell(trial, with_interval));
  out.push_back(figure_cell(trial, "peak_memory"));
  return out;
}

using Table = std::vector<std::vector<Cell>>;
using Widths = std::vector<std::size_t>;

std::size_t total(const Widths& widths, std::size_t gap) {
  std::size_t sum = gap * (widths.size() - 2) + 1;  // one space after the mark
  for (const std::size_t width : widths) sum += width;
  return sum;
}

Widths natural_widths(const Writer& writer, const std::vector<Column>& columns,
                      const Table& table) {
  Widths widths;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    std::size_t width = std::max(columns[i].top.size(), columns[i].bottom.size());
    for (const auto& row : table) width = std::max(width, display_width(writer.shown(row[i].text)));
    widths.push_back(std::max<std::size_t>(width, 1));
  }
  return widths;
}

// Names give way before numbers do, numbers only where nothing else is left.
void fit(Widths& widths, std::size_t width, std::size_t gap) {
  const auto shrink = [&](std::size_t column, std::size_t least) {
    const std::size_t excess = total(widths, gap) - std::min(total(widths, gap), width);
    if (widths[column] > least) widths[column] -= std::min(excess, widths[column] - least);
  };
  for (const std::size_t column : {kGateColumn, kRecipeColumn, kFrameworkColumn}) shrink(column, 9);
  for (std::size_t column = 1; column < widths.size(); ++column) shrink(column, 5);
}

std::string joined(const Writer& writer, const std::vector<Column>& columns,
                   const std::vector<Cell>& row, const Widths& widths, Paint all) {
  std::string line;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (i > 0) line += std::string(i == 1 ? 1 : writer.gap(), ' ');
    const std::string text =
        padded(writer.cut(row[i].text, widths[i]), widths[i], columns[i].right);
    line += writer.painted(text, row[i].paint == Paint::plain ? all : row[i].paint);
  }
  return line;
}

void write_heading(Writer& writer, const std::vector<Column>& columns, const Widths& widths) {
  std::vector<Cell> top, bottom;
  for (const Column& column : columns) {
    top.push_back({column.top});
    bottom.push_back({column.bottom});
  }
  writer.raw(joined(writer, columns, top, widths, Paint::dim));
  writer.raw(joined(writer, columns, bottom, widths, Paint::dim));
  std::string rule;
  for (std::size_t i = 0; i < total(widths, writer.gap()); ++i) rule += "\u2500";
  writer.line(rule, Paint::dim);
}

Paint row_paint(const Row& row) { return row.recommended ? Paint::bold : Paint::plain; }

Table figures(const Summary& summary, bool with_interval) {
  Table table;
  for (const Row& row : summary.rows)
    table.push_back(figure_cells(row, *summary.wording, with_interval));
  return table;
}

// Each row's gates, the last column, in as many words as the line has room for. Whether every row
// has the name of a gate at least.
bool add_gates(Table& table, const Writer& writer, const std::vector<Column>& columns,
               const Summary& summary) {
  for (auto& row : table) row.push_back({});
  Widths others = natural_widths(writer, columns, table);
  others[kGateColumn] = 0;
  const std::size_t taken = total(others, writer.gap());
  const std::size_t room = writer.width() - std::min(writer.width(), taken);
  bool named = true;
  for (std::size_t i = 0; i < table.size(); ++i) {
    using enum GateDetail;
    for (const GateDetail detail : {names, first_name, count}) {
      table[i].back() = gates_cell(summary.rows[i], detail);
      if (display_width(writer.shown(table[i].back().text)) <= room) break;
      named = named && detail == names;
    }
  }
  return named;
}

void write_table(Writer& writer, const Summary& summary) {
  const std::vector<Column> columns = columns_of(*summary.wording);
  Table table = figures(summary, true);
  if (!add_gates(table, writer, columns, summary)) {
    table = figures(summary, false);
    add_gates(table, writer, columns, summary);
  }
  Widths widths = natural_widths(writer, columns, table);
  fit(widths, writer.width(), writer.gap());
  write_heading(writer, columns, widths);
  for (std::size_t i = 0; i < table.size(); ++i)
    writer.raw(joined(writer, columns, table[i], widths, row_paint(summary.rows[i])));
}

std::string model_line(const Report& report) {
  if (!report.model) return {};
  const Model& model = *report.model;
  std::string text = model.architecture;
  if (model.parameter_count)
    text += str(", ", fixed(static_cast<double>(*model.parameter_count) / 1e6, 1), " M parameters");
  return text + ", " + model.precision + ", " + value_text(bytes_quantity(model.weight_bytes));
}

std::string target_line(const Report& report) {
  if (!report.target) return {};
  const Target& target = *report.target;
  std::string text = target.name + ", " + target.os + " " + target.arch;
  for (const Device& device : target.devices) {
    text += ", " + device.name;
    if (device.cores) text += str(" (", *device.cores, *device.cores == 1 ? " core)" : " cores)");
  }
  return text + ", " + value_text(bytes_quantity(target.memory_bytes)) + " memory" +
         (target.local ? "" : "; not this machine, so nothing was timed");
}

std::string request_line(const Report& report) {
  return "one request = " + request_words(report) +
         "; speed = baseline's time / artifact's time, paired";
}

std::string legend(const Summary& summary) {
  std::string text = summary.recommended ? "\u2605 recommended   " : "";
  text +=
      "\u25CF on the front   \u2014 not measured   a-b: too noisy for one number   (95 % "
      "intervals)";
  return text;
}

void write_verdict(Writer& writer, const Summary& summary) {
  if (!summary.recommended || !summary.recommended->gates) return;
  const auto open = open_required_gates(*summary.recommended->gates);
  if (open.empty()) {
    writer.field("Gates", "every required gate passes for the recommended artifact", Paint::bold,
                 Paint::good);
    return;
  }
  std::string label = "Gates";
  for (const Gate* gate : open) {
    writer.field(label, gate_text(*gate), Paint::bold,
                 gate->verdict == Verdict::fail ? Paint::bad : Paint::warn);
    label.clear();
  }
}

void write_recommendation(Writer& writer, const Report& report, const Summary& summary) {
  if (!summary.recommended) {
    writer.field("Recommended", report.front && !report.front->why.empty()
                                    ? "none: " + report.front->why
                                    : "none");
    return;
  }
  writer.field("Recommended", "\u2605 " + trial_text(*summary.recommended->trial), Paint::bold,
               Paint::good);
  if (!report.front->why.empty()) writer.field("", report.front->why);
  if (const auto& artifact = summary.recommended->trial->artifact;
      artifact && !artifact->folder.empty())
    writer.place("Artifact", artifact->folder);
  if (summary.recommended->trial->measurement) {
    for (const Ceiling& ceiling : summary.recommended->trial->measurement->ceilings)
      writer.field("Ceiling", ceiling_text(ceiling));
  }
}

// One line per step: its figures stand in the table.
void write_milestones(Writer& writer, const Report& report) {
  if (report.milestones.empty()) return;
  writer.line();
  writer.line("What each step brought", Paint::bold);
  for (const Milestone& milestone : report.milestones)
    writer.field(milestone_title(milestone.kind), milestone.text, Paint::plain);
}

void write_unquantised(Writer& writer, const Summary& summary) {
  if (!summary.recommended || !summary.fastest_unquantised) return;
  const auto& ratio = summary.recommended->over_unquantised;
  const std::string name = trial_text(*summary.fastest_unquantised);
  if (ratio && summary.unquantised_searched)
    writer.field("Unquantised",
                 full_text(*ratio) + " against the fastest unquantised artifact, " + name);
  else if (ratio)
    writer.field("Unquantised", full_text(*ratio) + " against " + name +
                                    " with its engine's own run options; whether others make it "
                                    "faster was not tried");
  else if (summary.recommended->trial == summary.fastest_unquantised)
    writer.field("Unquantised", "the recommended artifact is itself the fastest unquantised one");
  else
    writer.field("Unquantised", "the recommended artifact was not timed here");
}

// Where the recommended artifact lost most: a mean over everything hides it.
void write_worst(Writer& writer, const Summary& summary) {
  const Trial* trial = summary.recommended ? summary.recommended->trial : nullptr;
  if (!trial) return;
  if (const Metric* worst = worst_domain(*trial))
    writer.field("Worst domain",
                 str(worst->context.domain, ": accuracy ", full_text(quantity(*worst)), ", of ",
                     by_domain(*trial, "accuracy").size(), " domains"));
  if (const auto worst = worst_sequences(*trial); !worst.empty())
    writer.field("Worst text", str(worst.front()->context.sequence, ": KL ",
                                   full_text(quantity(*worst.front())), " nats"));
}

void write_tasks(Writer& writer, const Summary& summary) {
  const Trial* trial = summary.recommended ? summary.recommended->trial : nullptr;
  const Metric* right = trial ? overall(*trial, "task_accuracy") : nullptr;
  const Metric* original = trial ? overall(*trial, "task_accuracy_reference") : nullptr;
  const Metric* change = trial ? overall(*trial, "task_accuracy_change") : nullptr;
  if (!right || !original || !change) return;
  writer.field("Your tasks",
               str(full_text(quantity(*right)), " right of ", right->samples, ", original ",
                   value_text(quantity(*original)), "; change ", full_text(quantity(*change))));
}

// A screenful counts: beyond a few lines the HTML page is the better place.
void write_setbacks(Writer& writer, std::string label, const std::vector<Setback>& setbacks,
                    Paint paint) {
  constexpr std::size_t kShown = 4;
  for (std::size_t i = 0; i < std::min(kShown, setbacks.size()); ++i) {
    writer.field(label, setbacks[i].what + ": " + setbacks[i].reason, Paint::bold, paint);
    label.clear();
  }
  if (setbacks.size() > kShown)
    writer.field("", str("and ", setbacks.size() - kShown, " more in the report"));
}

std::string control_text(const Control& control) {
  return str("A/A ", control.metric, " ", full_text({control.ratio, control.interval, {}, false}),
             ", ", control.pairs, " pairs, ",
             control.contains_one ? "contains 1" : "does NOT contain 1");
}

// Those that failed, each with the artifacts whose speeds it makes doubtful; of the others the one
// that leaves most doubt.
void write_controls(Writer& writer, const Summary& summary) {
  const auto width = [](const Control& control) {
    return control.interval.high - control.interval.low;
  };
  std::string label = "Control";
  const Control* widest = nullptr;
  std::size_t good = 0;
  for (const auto& [control, timed] : summary.controls) {
    if (control.contains_one) {
      ++good;
      if (!widest || width(control) > width(*widest)) widest = &control;
      continue;
    }
    writer.field(label, str(control_text(control), ", beside ", timed), Paint::bold, Paint::bad);
    label.clear();
  }
  if (widest) {
    const std::string others = good > 1 ? str(", the widest of ", good) : "";
    writer.field(label, control_text(*widest) + others, Paint::bold, Paint::plain);
  }
  if (summary.controls.empty())
    writer.field(label, "none run: speeds have no A/A check", Paint::bold, Paint::warn);
}

// The artifact's distance from the original in each framework that opened it; empty where none but
// its own did.
std::string opened_text(const MatrixRow& row) {
  std::string text;
  bool foreign = false;
  for (const CrossCheck* cell : row.cells) {
    if (!cell->metric) continue;
    foreign = foreign || cell->backend != row.trial->recipe.backend;
    text += (text.empty() ? "" : ", ") + cell->backend + " " + value_text(quantity(*cell->metric)) +
            (cell->verdict == Verdict::fail    ? " (farther than its precision explains)"
             : cell->verdict == Verdict::noisy ? " (too few answers to tell)"
                                               : "");
  }
  return foreign ? text : std::string();
}

void write_matrix(Writer& writer, const Report& report) {
  std::string label = "Opened by";
  for (const MatrixRow& row : matrix_rows(report)) {
    const std::string text = opened_text(row);
    if (text.empty()) continue;
    writer.field(label, trial_text(*row.trial) + ": " + text);
    label.clear();
  }
  if (label.empty())
    writer.field("", std::string(wording(report).distance_title) + " from the original");
}

std::string list_text(const std::vector<std::string>& items, std::string_view separator) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : std::string(separator)) + item;
  return text;
}

void write_confinement(Writer& writer, const Summary& summary) {
  const Row* row = summary.recommended    ? summary.recommended
                   : summary.rows.empty() ? nullptr
                                          : &summary.rows.back();
  if (!row || !row->trial->measurement) return;
  const auto& enforced = row->trial->measurement->conditions.confinement;
  writer.field("Confinement", enforced.empty() ? "none enforced" : list_text(enforced, ", "),
               Paint::bold, enforced.empty() ? Paint::warn : Paint::plain);
}

std::string planned_text(const PlannedTrial& planned) {
  std::string text =
      planned.recipe.backend + " " + planned.recipe.name + ": " + planned.recipe.note;
  std::vector<std::string> presets;
  for (const RunPreset& preset : planned.run_presets) presets.push_back(preset.name);
  if (presets.size() > 1) text += "; the fastest run options of " + list_text(presets, ", ");
  return text;
}

std::string choice_text(const Choice& choice) {
  std::vector<std::string> reasons;
  for (const Reason& reason : choice.reasons) reasons.push_back(reason.text);
  return str(choice.backend, ", ", fixed(choice.budget_share * 100, 0),
             " % of the budget: ", list_text(reasons, "; "));
}

// What would be done, and why.
void write_plan(Writer& writer, const Plan& plan, const Summary& summary) {
  writer.field("Frameworks", plan.choices.empty() ? "none fits" : "in this order", Paint::bold);
  for (const Choice& choice : plan.choices) {
    writer.field(str("  ", choice.rank), choice_text(choice), Paint::plain);
    if (choice.rank > 1) writer.field("", "what would change it: " + choice.would_change);
  }
  writer.line();
  writer.field("Trials", "in this order, as far as the budget goes", Paint::bold);
  std::size_t number = 0;
  for (const PlannedTrial& planned : plan.trials) {
    const std::string label = planned.role == Role::baseline            ? "  baseline"
                              : planned.role == Role::quality_reference ? "  reference"
                                                                        : str("  ", ++number);
    writer.field(label, planned_text(planned), Paint::plain);
  }
  writer.line();
  write_setbacks(writer, "Not tried", summary.not_tried, Paint::plain);
  for (const std::string& fallback : plan.fallbacks) writer.field("Fallback", fallback);
}

void write_head(Writer& writer, const Report& report) {
  writer.line(
      "Strop " + report.tool_version + (report.model ? " \u00B7 " + file_name(*report.model) : ""),
      Paint::bold);
  if (report.model) writer.line(model_line(report), Paint::dim);
  if (report.target) writer.line(target_line(report), Paint::dim);
  if (report.target) writer.paragraph(request_line(report), Paint::dim);
  writer.line();
}

}  // namespace

std::string terminal_table(const Report& report, const TerminalStyle& style) {
  Writer writer(style);
  const Summary summary = summarise(report);
  write_head(writer, report);
  const bool only_planned = report.plan && report.trials.empty();
  if (only_planned) {
    write_plan(writer, *report.plan, summary);
    if (report.assessment)
      for (const std::string& warning : report.assessment->warnings)
        writer.field("Warning", warning, Paint::warn);
    return writer.take();
  }
  if (summary.rows.empty()) {
    writer.line("No artifact was measured.", Paint::warn);
  } else {
    write_table(writer, summary);
    writer.line(legend(summary), Paint::dim);
  }
  writer.line();
  write_recommendation(writer, report, summary);
  write_verdict(writer, summary);
  write_unquantised(writer, summary);
  write_milestones(writer, report);
  write_worst(writer, summary);
  write_tasks(writer, summary);
  writer.line();
  write_setbacks(writer, "Failed", summary.failed, Paint::bad);
  write_setbacks(writer, "Infeasible", summary.infeasible, Paint::plain);
  write_setbacks(writer, "Dominated", summary.dominated, Paint::plain);
  write_setbacks(writer, "Not tried", summary.not_tried, Paint::plain);
  if (!summary.not_measured.empty())
    writer.field("Not measured", list_text(summary.not_measured, ", "));
  write_matrix(writer, report);
  write_controls(writer, summary);
  write_confinement(writer, summary);
  for (const std::string& warning : report.warnings) writer.field("Warning", warning, Paint::warn);
  return writer.take();
}

}  // namespace strop
