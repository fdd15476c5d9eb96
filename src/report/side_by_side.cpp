#include "report/side_by_side.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "report/markup.h"
#include "report/summary.h"
#include "report/terminal_writer.h"

namespace strop {
namespace {

std::optional<Metric> copy_of(const Metric* metric) {
  return metric ? std::optional(*metric) : std::nullopt;
}

std::string machine_text(const Report& report) {
  if (!report.target) return "";
  std::string text = report.target->name + ", " + report.target->os + " " + report.target->arch;
  for (const Device& device : report.target->devices) {
    text += ", " + device.name;
    if (device.cores) text += str(" (", *device.cores, *device.cores == 1 ? " core)" : " cores)");
  }
  return text;
}

std::string gates_text(const Row& row) {
  if (!row.gates) return "no gates";
  std::size_t required = 0;
  for (const Gate& gate : row.gates->gates) required += gate.required ? 1 : 0;
  const auto open = open_required_gates(*row.gates);
  std::string text = str(required - open.size(), "/", required);
  for (const Gate* gate : open) text += (gate == open.front() ? ", open: " : ", ") + gate->name;
  return text;
}

SideRun run_of(const NamedReport& named) {
  const Report& report = named.report;
  const Summary summary = summarise(report);
  SideRun run{.name = named.name,
              .run_id = report.run_id,
              .tool_version = report.tool_version,
              .date = report.started_at,
              .model = report.model ? file_name(*report.model) : "",
              .machine = machine_text(report)};
  if (summary.baseline) {
    run.baseline = trial_text(*summary.baseline);
    run.baseline_time = copy_of(overall(*summary.baseline, "request_time"));
  }
  if (summary.recommended) {
    run.recommended = trial_text(*summary.recommended->trial);
    run.gates = gates_text(*summary.recommended);
    run.passed = summary.recommended->gates && summary.recommended->gates->passed;
  }
  return run;
}

std::string name_of(const Trial& trial) {
  return trial_text(trial) +
         (trial.role == Role::candidate ? "" : " (" + role_text(trial.role) + ")");
}

std::string status_word(TrialStatus status) {
  switch (status) {
    case TrialStatus::ok:
      return "ok";
    case TrialStatus::infeasible:
      return "infeasible";
    case TrialStatus::dominated:
      return "dominated";
    case TrialStatus::failed:
      return "failed";
    case TrialStatus::not_tried:
      return "not tried";
  }
  return {};
}

SideCell cell_of(const Trial& trial) {
  SideCell cell{.status = status_word(trial.status)};
  if (trial.artifact)
    cell.size = Metric{.metric = "total_bytes",
                       .unit = "bytes",
                       .value = static_cast<double>(trial.artifact->total_bytes),
                       .samples = 1};
  if (trial.status != TrialStatus::ok) return cell;
  cell.accuracy = copy_of(overall(trial, "accuracy"));
  cell.divergence = copy_of(overall(trial, "kl_mean"));
  cell.speedup = copy_of(overall(trial, "speedup"));
  cell.request_time = copy_of(overall(trial, "request_time"));
  cell.memory = copy_of(overall(trial, "peak_memory"));
  return cell;
}

// In the order in which the first run that has them shows them.
std::vector<std::string> artifact_names(const std::vector<NamedReport>& runs) {
  std::vector<std::string> names;
  for (const NamedReport& named : runs) {
    const Summary summary = summarise(named.report);
    for (const Row& row : summary.rows) {
      const std::string name = name_of(*row.trial);
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

std::vector<std::string> notes_on(const std::vector<NamedReport>& runs) {
  const auto differs = [&](const auto& of) {
    return std::any_of(runs.begin(), runs.end(), [&](const NamedReport& run) {
      return of(run.report) != of(runs.front().report);
    });
  };
  std::vector<std::string> notes;
  if (differs([](const Report& r) { return r.model ? r.model->id : std::string(); }))
    notes.push_back("the models differ: accuracy, sizes and times are of different things");
  if (differs([](const Report& r) { return r.goal.workload; }))
    notes.push_back("the requests or the evaluation differ in size: figures are not comparable");
  if (differs([](const Report& r) { return r.goal.evaluation_data; }))
    notes.push_back("the evaluation texts differ: accuracy and divergence are not comparable");
  if (differs([](const Report& r) { return r.goal.budget; }))
    notes.push_back("the budgets differ: a larger one tries more and scores more text");
  if (differs([](const Report& r) { return r.tool_version; }))
    notes.push_back("the versions of strop differ");
  notes.push_back(
      "each speed is against its own run's baseline, paired there; times of different runs were "
      "measured at different hours");
  return notes;
}

struct Figure {
  std::string_view title;
  std::optional<Metric> SideCell::*member;
};

constexpr Figure kFigures[] = {{"Speed, each against its own baseline", &SideCell::speedup},
                               {"Time of one request", &SideCell::request_time},
                               {"Accuracy", &SideCell::accuracy},
                               {"Divergence from the original, nats", &SideCell::divergence},
                               {"Peak memory", &SideCell::memory},
                               {"Size", &SideCell::size}};

std::string figure_text(const std::optional<Metric>& metric, const SideCell& cell) {
  if (!metric) return cell.status.empty() || cell.status == "ok" ? "\u2014" : cell.status;
  const Quantity shown = quantity(*metric);
  return metric->noisy ? noisy_text(shown) : value_text(shown);
}

bool is_empty(const Figure& figure, const SideBySide& sides) {
  return std::none_of(sides.rows.begin(), sides.rows.end(), [&](const SideRow& row) {
    return std::any_of(row.cells.begin(), row.cells.end(),
                       [&](const SideCell& cell) { return (cell.*figure.member).has_value(); });
  });
}

void write_figure(TerminalWriter& writer, const Figure& figure, const SideBySide& sides) {
  std::vector<TerminalColumn> columns{{"artifact", false, 12}};
  for (const SideRun& run : sides.runs) columns.push_back({run.name, true, 7});
  std::vector<std::vector<TerminalCell>> rows;
  for (const SideRow& row : sides.rows) {
    std::vector<TerminalCell> cells{{row.artifact}};
    for (const SideCell& cell : row.cells) {
      const auto& metric = cell.*figure.member;
      cells.push_back({figure_text(metric, cell), !metric         ? TerminalPaint::dim
                                                  : metric->noisy ? TerminalPaint::warn
                                                                  : TerminalPaint::plain});
    }
    rows.push_back(std::move(cells));
  }
  writer.line(figure.title, TerminalPaint::bold);
  writer.table(columns, rows);
  writer.line();
}

Html name(std::string_view words) { return element("bdi", words); }

Html head_cell(std::string_view words, std::string style = {}) {
  return element("th", {{"scope", "col"}, {"class", std::move(style)}}, words);
}

Html table_section(std::string id, std::string_view title, const Html& head, const Html& rows) {
  const Html table = element("table", {{"class", "sortable"}},
                             element("caption", {{"class", "hidden"}}, title) +
                                 element("thead", element("tr", head)) + element("tbody", rows));
  return element(
      "section", {{"id", id}, {"aria-labelledby", id + "-title"}},
      element("h2", {{"id", id + "-title"}}, title) + element("div",
                                                              {{"class", "scroll"},
                                                               {"tabindex", "0"},
                                                               {"role", "region"},
                                                               {"aria-label", std::string(title)}},
                                                              table));
}

Html runs_section(const SideBySide& sides) {
  Html rows;
  for (const SideRun& run : sides.runs) {
    Html row = element("th", {{"scope", "row"}}, name(run.name));
    for (const std::string& words : {run.model, run.machine, run.date})
      row += element("td", name(words));
    row += element("td",
                   {{"class", "number"},
                    {"data-sort", run.baseline_time ? fixed(run.baseline_time->value, 9) : ""}},
                   run.baseline_time ? full_text(quantity(*run.baseline_time)) : "\u2014");
    row += element("td", name(run.recommended.empty() ? "none" : run.recommended));
    row += element("td", element("span", {{"class", run.passed ? "verdict pass" : "verdict open"}},
                                 run.gates.empty() ? "no gates" : run.gates));
    rows += element("tr", row);
  }
  return table_section("runs", "Runs",
                       head_cell("Run") + head_cell("Model") + head_cell("Machine") +
                           head_cell("Started") + head_cell("Baseline's request", "number") +
                           head_cell("Recommended") + head_cell("Required gates"),
                       rows);
}

Html figure_section(const Figure& figure, std::size_t number, const SideBySide& sides) {
  Html head = head_cell("Artifact"), rows;
  for (const SideRun& run : sides.runs) head += head_cell(run.name, "number");
  for (const SideRow& row : sides.rows) {
    Html cells = element("th", {{"scope", "row"}}, name(row.artifact));
    for (const SideCell& cell : row.cells) {
      const auto& metric = cell.*figure.member;
      const bool sortable = metric && !metric->noisy && std::isfinite(metric->value);
      const std::string interval = metric && !metric->noisy ? interval_text(quantity(*metric)) : "";
      cells += element(
          "td",
          {{"class", "number"}, {"data-sort", sortable ? fixed(metric->value, 9) : std::string()}},
          text(figure_text(metric, cell)) +
              (interval.empty() ? Html() : element("small", {{"class", "interval"}}, interval)));
    }
    rows += element("tr", cells);
  }
  return table_section(str("figure-", number), figure.title, head, rows);
}

Html page_body(const SideBySide& sides) {
  Html out = element("header", element("p", {{"class", "eyebrow"}}, "Strop, side by side") +
                                   element("h1", str(sides.runs.size(), " runs")));
  Html notes;
  for (const std::string& note : sides.notes) notes += element("li", note);
  out += element("ul", notes) + runs_section(sides);
  std::size_t number = 0;
  for (const Figure& figure : kFigures)
    if (!is_empty(figure, sides)) out += figure_section(figure, ++number, sides);
  return out;
}

}  // namespace

SideBySide sides_of(const std::vector<NamedReport>& runs) {
  SideBySide sides;
  std::set<std::string> used;
  for (const NamedReport& named : runs) {
    sides.runs.push_back(run_of(named));
    std::string& name = sides.runs.back().name;
    for (int i = 2; used.contains(name); ++i) name = str(named.name, " (", i, ")");
    used.insert(name);
  }
  for (const std::string& name : artifact_names(runs)) {
    SideRow row{.artifact = name};
    for (const NamedReport& named : runs) {
      const auto& trials = named.report.trials;
      const auto found = std::find_if(trials.begin(), trials.end(),
                                      [&](const Trial& trial) { return name_of(trial) == name; });
      row.cells.push_back(found == trials.end() ? SideCell{} : cell_of(*found));
    }
    sides.rows.push_back(std::move(row));
  }
  sides.notes = notes_on(runs);
  return sides;
}

std::string sides_text(const SideBySide& sides, const TerminalStyle& style) {
  TerminalWriter writer(style);
  for (const SideRun& run : sides.runs) {
    writer.line(run.name, TerminalPaint::bold);
    writer.field("  Model", run.model + "; strop " + run.tool_version + ", " + run.date,
                 TerminalPaint::plain);
    writer.field("  Machine", run.machine, TerminalPaint::plain);
    writer.field(
        "  Baseline",
        run.baseline.empty()
            ? "none"
            : run.baseline + (run.baseline_time
                                  ? ", " + full_text(quantity(*run.baseline_time)) + " a request"
                                  : ", not timed"),
        TerminalPaint::plain);
    writer.field(
        "  Recommended",
        run.recommended.empty() ? "none" : run.recommended + "; required gates " + run.gates,
        TerminalPaint::plain, run.passed ? TerminalPaint::good : TerminalPaint::plain);
  }
  writer.line();
  for (const Figure& figure : kFigures)
    if (!is_empty(figure, sides)) write_figure(writer, figure, sides);
  std::string label = "Note";
  for (const std::string& note : sides.notes) {
    writer.field(label, note);
    label.clear();
  }
  return writer.take();
}

std::string sides_page(const SideBySide& sides, const HtmlAssets& assets) {
  return page_of("Strop, side by side", page_body(sides), assets);
}

}  // namespace strop
