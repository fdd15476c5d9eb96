#include "report/sections.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "report/milestones.h"
#include "report/plots.h"
#include "report/recommendations.h"
#include "strop/thresholds.h"

namespace strop {
namespace {

Html section(std::string id, std::string_view title, const Html& content) {
  if (content.empty()) return {};
  return element("section", {{"id", id}, {"aria-labelledby", id + "-title"}},
                 element("h2", {{"id", id + "-title"}}, title) + content);
}

// Names of strangers may be written from right to left; they must not drag our words along.
Html name(std::string_view words) { return element("bdi", words); }

Html paragraph(std::string_view words) { return element("p", words); }

Html head_cell(std::string_view words, std::string style = {}) {
  return element("th", {{"scope", "col"}, {"class", std::move(style)}}, words);
}

Html definition(std::string_view term, const Html& content) {
  return element("div", element("dt", term) + element("dd", content));
}

Html definition(std::string_view term, std::string_view words) {
  return definition(term, text(words));
}

Html list(const std::vector<std::string>& items) {
  Html out;
  for (const std::string& item : items) out += element("li", item);
  return element("ul", out);
}

// A table may be wider than a phone: it scrolls by itself, and a keyboard can reach it.
Html scrolling(std::string label, const Html& content) {
  return element("div",
                 {{"class", "scroll"},
                  {"tabindex", "0"},
                  {"role", "region"},
                  {"aria-label", std::move(label)}},
                 content);
}

std::string verdict_style(Verdict verdict) {
  return "verdict " + std::string(verdict == Verdict::pass   ? "pass"
                                  : verdict == Verdict::fail ? "fail"
                                                             : "open");
}

Html verdict_chip(Verdict verdict) {
  return element("span", {{"class", verdict_style(verdict)}}, verdict_text(verdict));
}

Html figure_html(const Metric* metric) {
  if (!metric) return element("span", {{"class", "absent"}, {"title", "not measured"}}, "\u2014");
  const Quantity shown = quantity(*metric);
  if (metric->noisy)
    return element("span", {{"class", "open"}, {"title", full_text(shown)}}, noisy_text(shown));
  Html out = text(value_text(shown));
  const std::string interval = interval_text(shown);
  if (!interval.empty()) out += element("small", {{"class", "interval"}}, interval);
  return out;
}

// What a sort of the column goes by; empty sorts last.
std::string sort_key(const Metric* metric) {
  return metric && !metric->noisy && std::isfinite(metric->value) ? fixed(metric->value, 9)
                                                                  : std::string();
}

Html number_cell(const Metric* metric) {
  return element("td", {{"class", "number"}, {"data-sort", sort_key(metric)}}, figure_html(metric));
}

// The baseline's speed against itself is a definition, not a measurement.
Html unit_cell() { return element("td", {{"class", "number"}, {"data-sort", "1"}}, "1x"); }

struct Key {
  std::string_view metric, words;
};

std::vector<Key> columns_of(const Wording& wording) {
  std::vector<Key> columns{{"accuracy", "Accuracy"}, {wording.distance, wording.distance_title}};
  for (const Named& latency : wording.latencies) columns.push_back({latency.metric, latency.title});
  columns.push_back({"speedup", "Speed against original"});
  columns.push_back({"peak_memory", "Peak memory"});
  return columns;
}

Html tile(std::string_view words, const Html& value, std::string_view beside) {
  return element("div", {{"class", "tile"}},
                 element("dt", words) + element("dd", value + element("small", beside)));
}

Html metric_tile(const Summary& summary, std::string_view metric, std::string_view words) {
  const Metric* mine = overall(*summary.recommended->trial, metric);
  const Metric* theirs = summary.baseline ? overall(*summary.baseline, metric) : nullptr;
  std::string beside;
  if (theirs && !theirs->noisy) beside = "baseline " + value_text(quantity(*theirs));
  return tile(words, figure_html(mine), beside);
}

Html tiles(const Summary& summary) {
  const Trial& trial = *summary.recommended->trial;
  Html out;
  if (trial.artifact) {
    const bool known = summary.baseline && summary.baseline->artifact;
    out += tile(
        "Size", text(value_text(bytes_quantity(trial.artifact->total_bytes))),
        known ? "baseline " + value_text(bytes_quantity(summary.baseline->artifact->total_bytes))
              : "");
  }
  const auto& ratio = summary.recommended->over_unquantised;
  out += tile("Speed", figure_html(overall(trial, "speedup")),
              ratio && summary.unquantised_searched
                  ? full_text(*ratio) + " against the fastest unquantised"
                  : "of the baseline");
  out += metric_tile(summary, "accuracy", "Accuracy");
  for (const Named& latency : summary.wording->latencies)
    out += metric_tile(summary, latency.metric, latency.title);
  out += metric_tile(summary, "peak_memory", "Peak memory");
  return element("dl", {{"class", "tiles"}}, out);
}

Html gate_chips(const GateReport& gates) {
  Html out;
  for (const Gate& gate : gates.gates) {
    if (!gate.required && gate.verdict == Verdict::not_measured) continue;
    out += element("li", {{"class", verdict_style(gate.verdict)}},
                   gate.name + ": " + verdict_text(gate.verdict));
  }
  return element("ul", {{"class", "chips"}, {"aria-label", "gates"}}, out);
}

Html verdict_card(const Report& report, const Summary& summary) {
  if (!summary.recommended) {
    const std::string why = report.front && !report.front->why.empty()
                                ? report.front->why
                                : "No artifact was measured.";
    return element("div", {{"class", "card none"}},
                   element("p", {{"class", "eyebrow"}}, "No recommendation") + paragraph(why));
  }
  const Row& row = *summary.recommended;
  const bool blocked = row.gates && !row.gates->passed;
  Html content = element("p", {{"class", "eyebrow"}},
                         blocked ? "Recommended, with a required gate open" : "Recommended") +
                 element("p", {{"class", "pick"}}, name(trial_text(*row.trial)));
  if (!report.front->why.empty()) content += paragraph(report.front->why);
  content += tiles(summary);
  if (row.gates) content += gate_chips(*row.gates);
  return element("div", {{"class", blocked ? "card blocked" : "card"}}, content);
}

std::string model_text(const Model& model) {
  std::string out = model.architecture;
  if (model.parameter_count)
    out += ", " + fixed(static_cast<double>(*model.parameter_count) / 1e6, 1) + " M parameters";
  return out + ", " + model.precision + ", " + value_text(bytes_quantity(model.weight_bytes));
}

std::string target_text(const Target& target) {
  std::string out = target.os + " " + target.arch;
  for (const Device& device : target.devices) {
    out += ", " + device.name;
    if (device.cores) out += str(" (", *device.cores, *device.cores == 1 ? " core)" : " cores)");
  }
  return out + ", " + value_text(bytes_quantity(target.memory_bytes));
}

Html mark_of(const Row& row) {
  if (row.recommended) return element("span", {{"class", "tag pick"}}, "recommended");
  if (row.trial->role != Role::candidate)
    return element("span", {{"class", "tag"}}, role_text(row.trial->role));
  if (row.on_front) return element("span", {{"class", "tag front"}}, "on the front");
  return {};
}

Html gates_cell(const Row& row) {
  if (!row.gates) return element("span", {{"class", "absent"}}, "\u2014");
  std::size_t required = 0;
  for (const Gate& gate : row.gates->gates) required += gate.required ? 1 : 0;
  const auto open = open_required_gates(*row.gates);
  Html out = text(str(required - open.size(), "/", required));
  for (const Gate* gate : open)
    out += text(" ") +
           element("span", {{"class", verdict_style(gate->verdict)}},
                   gate->name +
                       (gate->verdict == Verdict::fail ? "" : " " + verdict_text(gate->verdict)));
  return out;
}

Html artifact_row(const Row& row, const std::vector<Key>& columns) {
  const Trial& trial = *row.trial;
  const std::string size = trial.artifact ? std::to_string(trial.artifact->total_bytes) : "";
  Html out = element("th", {{"scope", "row"}}, name(trial_text(trial)) + text(" ") + mark_of(row));
  out += element("td", {{"class", "number"}, {"data-sort", size}},
                 trial.artifact ? text(value_text(bytes_quantity(trial.artifact->total_bytes)))
                                : figure_html(nullptr));
  for (const Key& column : columns)
    out += column.metric == "speedup" && trial.role == Role::baseline
               ? unit_cell()
               : number_cell(overall(trial, column.metric));
  out += element("td", gates_cell(row));
  return element("tr", {{"data-trial", trial.id}, {"class", row.recommended ? "recommended" : ""}},
                 out);
}

Html figure(std::string_view title, std::string_view caption, const Html& plot) {
  if (plot.empty()) return {};
  return element("figure", element("h3", title) +
                               element("div",
                                       {{"class", "scroll"},
                                        {"tabindex", "0"},
                                        {"role", "group"},
                                        {"aria-label", std::string(title) + ", plot"}},
                                       plot) +
                               element("figcaption", caption));
}

Html gate_row(const Gate& gate) {
  const Quantity observed{gate.observed.value_or(0), gate.interval, {}, false};
  const Html value = gate.observed ? text(full_text(observed)) : figure_html(nullptr);
  return element(
      "tr", element("th", {{"scope", "row"}}, gate.name + (gate.required ? "" : " (optional)")) +
                element("td", verdict_chip(gate.verdict)) +
                element("td", {{"class", "number"}}, value) + element("td", comparison_text(gate)) +
                element("td", gate.reason) + element("td", element("code", gate.evidence_path)));
}

Html gate_table(const std::string& of, const GateReport& gates) {
  Html rows;
  for (const Gate& gate : gates.gates) rows += gate_row(gate);
  const Html head =
      element("thead", element("tr", head_cell("Gate") + head_cell("Verdict") +
                                         head_cell("Observed", "number") + head_cell("Needs") +
                                         head_cell("Reason") + head_cell("Evidence")));
  return scrolling("Gates of " + of,
                   element("table", element("caption", {{"class", "hidden"}}, "Gates of " + of) +
                                        head + element("tbody", rows)));
}

Html choice_item(const Choice& choice) {
  Html reasons;
  for (const Reason& reason : choice.reasons)
    reasons += element("li", text(reason.text + " ") + element("code", reason.rule));
  Html out = element("h3", choice.backend) +
             paragraph(fixed(choice.budget_share * 100, 0) + " % of the time for trials.") +
             element("ul", reasons);
  if (!choice.would_change.empty())
    out += element(
        "p", element("strong", "What would have changed it: ") + text(choice.would_change + "."));
  return element("li", out);
}

const Row* fastest(const Summary& summary, std::string_view backend) {
  const Row* best = nullptr;
  for (const Row& row : summary.rows) {
    const Metric* speed = overall(*row.trial, "speedup");
    if (row.trial->recipe.backend != backend || row.trial->role != Role::candidate || !speed ||
        speed->noisy)
      continue;
    if (!best || speed->value > overall(*best->trial, "speedup")->value) best = &row;
  }
  return best;
}

// A plan is a prediction; this is where it meets the measurement.
Html plan_check(const Plan& plan, const Summary& summary) {
  if (plan.choices.empty() || !summary.recommended) return {};
  const auto first =
      std::min_element(plan.choices.begin(), plan.choices.end(),
                       [](const Choice& a, const Choice& b) { return a.rank < b.rank; });
  const bool confirmed = first->backend == summary.recommended->trial->recipe.backend;
  std::string words =
      "The plan ranked " + first->backend + " first; the recommended artifact runs on " +
      summary.recommended->trial->recipe.backend +
      (confirmed ? ": the measurement agrees." : ": the measurement overruled the plan.");
  for (const Choice& choice : plan.choices)
    if (const Row* row = fastest(summary, choice.backend))
      words += " Fastest of " + choice.backend + ": " + recipe_text(*row->trial) + ", " +
               value_text(quantity(*overall(*row->trial, "speedup"))) + ".";
  return element("p", {{"class", confirmed ? "note" : "note overruled"}}, words);
}

Html matrix_cell(const CrossCheck* cell) {
  if (!cell || !cell->metric)
    return element(
        "td", {{"class", "number"}},
        element("span", {{"class", "absent"}, {"title", cell ? cell->reason : "not asked"}},
                "\u2014"));
  Html content = text(value_text(quantity(*cell->metric)));
  if (cell->verdict == Verdict::fail || cell->verdict == Verdict::noisy)
    content += text(" ") + verdict_chip(cell->verdict);
  return element("td", {{"class", "number"}}, content);
}

Html setback_rows(std::string_view kind, const std::vector<Setback>& setbacks) {
  Html out;
  for (const Setback& setback : setbacks)
    out += element("tr", element("th", {{"scope", "row"}}, name(setback.what)) +
                             element("td", kind) + element("td", setback.reason));
  return out;
}

std::string joined(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : ", ") + item;
  return out;
}

std::string options_text(const RunOptions& options) {
  std::vector<std::string> items;
  for (const auto& [key, value] : options) items.push_back(str(key, "=", value));
  return items.empty() ? "defaults" : joined(items);
}

std::string load_text(const Conditions& conditions) {
  std::string out;
  if (conditions.foreign_load) out += fixed(*conditions.foreign_load, 2) + " cores used by others";
  if (conditions.steal_ratio)
    out += (out.empty() ? "" : ", ") + fixed(*conditions.steal_ratio * 100, 1) + " % stolen";
  return out.empty() ? "not measured" : out;
}

std::string placement_text(const Conditions& conditions) {
  std::vector<std::string> items;
  for (const Placement& placed : conditions.placement)
    items.push_back(str(placed.provider, " ", placed.nodes));
  return items.empty() ? "not reported" : joined(items);
}

Html condition_row(const Row& row) {
  const Measurement& measurement = *row.trial->measurement;
  const Conditions& conditions = measurement.conditions;
  const std::string confinement =
      conditions.confinement.empty() ? "none enforced" : joined(conditions.confinement);
  const std::string date =
      conditions.date +
      (measurement.reused_from.empty() ? "" : ", taken over from run " + measurement.reused_from);
  Html out = element("th", {{"scope", "row"}}, name(trial_text(*row.trial)));
  for (const std::string& words :
       {conditions.engine_version, conditions.cpu_variant, str(conditions.threads),
        placement_text(conditions), options_text(measurement.run_options), load_text(conditions),
        confinement, date})
    out += element("td", words);
  return element("tr", out);
}

Html conditions_table(const Summary& summary) {
  Html rows, head;
  for (const Row& row : summary.rows)
    if (row.trial->measurement) rows += condition_row(row);
  if (rows.empty()) return {};
  for (const char* words : {"Artifact", "Engine", "CPU variant", "Threads", "Nodes run by",
                            "Run options", "Other load", "Confinement enforced", "Measured at"})
    head += head_cell(words);
  return scrolling("Conditions per artifact",
                   element("table", {{"class", "dense"}},
                           element("caption", {{"class", "hidden"}}, "Conditions per artifact") +
                               element("thead", element("tr", head)) + element("tbody", rows)));
}

Html controls_list(const Summary& summary) {
  std::vector<std::string> items;
  for (const auto& [control, timed] : summary.controls)
    items.push_back(
        str("A/A control of ", control.metric, timed.empty() ? "" : " in the rounds of " + timed,
            ": ", full_text({control.ratio, control.interval, {}, false}), " from ", control.pairs,
            " pairs, ",
            control.contains_one ? "contains 1"
                                 : "does NOT contain 1: no speed of theirs can be trusted"));
  if (items.empty())
    items.push_back(
        "No A/A control was run: speeds are not checked against the noise of the machine.");
  return list(items);
}

// Quoted for a POSIX shell only where that is needed.
std::string quoted(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace

Html headline_section(const Report& report, const Summary& summary) {
  Html head = element("p", {{"class", "eyebrow"}}, "Strop " + report.tool_version + " report");
  head += element("h1", name(report.model ? file_name(*report.model) : "No model"));
  if (report.model) head += element("p", {{"class", "sub"}}, name(model_text(*report.model)));
  if (report.target)
    head += element(
        "p", {{"class", "sub"}},
        text("on ") + name(report.target->name) + text(": ") + name(target_text(*report.target)));
  return element("header", head) + verdict_card(report, summary);
}

Html artifacts_section(const Report& report, const Summary& summary) {
  if (summary.rows.empty()) return {};
  Html head = head_cell("Artifact") + head_cell("Size", "number"), rows;
  const std::vector<Key> columns = columns_of(*summary.wording);
  for (const Key& column : columns) head += head_cell(column.words, "number");
  head += head_cell("Required gates");
  for (const Row& row : summary.rows) rows += artifact_row(row, columns);
  const std::string caption =
      str("One request is ", request_words(report),
          ". Small figures are 95 % intervals; speed is the baseline's request time "
          "over the artifact's, "
          "measured in pairs. \u2014 was not measured; a bare interval, or the word noisy, means "
          "that the machine was too noisy "
          "for one number.");
  return section(
      "artifacts", "Artifacts",
      element("p", {{"class", "caption"}}, caption) +
          scrolling("Table of artifacts",
                    element("table", {{"class", "sortable"}},
                            element("caption", {{"class", "hidden"}}, "Artifacts") +
                                element("thead", element("tr", head)) + element("tbody", rows))));
}

Html milestones_section(const Report& report) {
  if (report.milestones.empty()) return {};
  Html rows;
  for (const Milestone& milestone : report.milestones) {
    Html row = element("th", {{"scope", "row"}}, milestone_title(milestone.kind));
    for (const std::optional<Metric>* figure :
         {&milestone.size, &milestone.accuracy, &milestone.speedup, &milestone.memory}) {
      const bool unit = figure == &milestone.speedup && has_unit_speed(milestone);
      row += unit ? unit_cell() : number_cell(*figure ? &**figure : nullptr);
    }
    rows += element("tr", row + element("td", {{"class", "words"}}, milestone.text));
  }
  const Html head = element(
      "tr", head_cell("Step") + head_cell("Size", "number") + head_cell("Accuracy", "number") +
                head_cell("Speed against original", "number") + head_cell("Peak memory", "number") +
                head_cell("What it brought"));
  return section(
      "steps", "What each step brought",
      element("p", {{"class", "caption"}},
              "From the original to the recommended artifact. Each line shows the figures of the "
              "artifact at that point; \u2014 was not measured apart.") +
          scrolling(
              "Steps from the original to the recommended artifact",
              element("table", element("caption", {{"class", "hidden"}},
                                       "Steps from the original to the recommended artifact") +
                                   element("thead", head) + element("tbody", rows))));
}

Html plots_section(const Report& report, const Summary& summary, const RawSamples& samples) {
  Html figures = figure(
      "Size against divergence",
      "Lower left is better: smaller, and closer to the original. The quality reference is not "
      "drawn, its divergence is zero by definition; what lies below 0.00001 is drawn there.",
      size_plot(summary));
  figures +=
      figure("Speed against divergence",
             "Lower right is better: faster, and closer to the original.", speed_plot(summary));
  figures += figure("Divergence by position",
                    "A line that rises means that precision is lost as the text grows longer, as a "
                    "wrong position "
                    "encoding does; a short evaluation would not see it.",
                    position_plot(summary));
  figures += figure("Divergence by domain",
                    "A mark for each artifact, the domain that suffers most on top. What lies "
                    "below 0.00001 is drawn there.",
                    domain_plot(summary));
  figures +=
      figure("Request time", "Median with its 95 % interval. The dashed line is the baseline.",
             latency_plot(summary));
  figures +=
      figure("Time between tokens",
             "Every token of every timed request. Thick: the middle half, with the median; thin: "
             "5 % to 95 %; dots: the slowest, up to twenty. A long tail is what users notice.",
             distribution_plot(summary, samples));
  figures += figure("What each step brought",
                    "From the original to the recommended artifact; \u2014 was not measured apart.",
                    steps_plot(report));
  const Html effort = effort_plot(report);
  figures += figure("Where the run's time went",
                    "Dark: building the artifact, light: measuring it. Failed and dominated trials "
                    "cost time too.",
                    effort);
  if (figures.empty()) return {};
  return section("plots", "Plots",
                 framework_legend(summary) + element("div", {{"class", "figures"}}, figures));
}

// The worst first; a mean over everything hides it.
Html domains_section(const Summary& summary) {
  const Trial* trial = summary.recommended ? summary.recommended->trial : nullptr;
  if (!trial) return {};
  Html out;
  auto domains = by_domain(*trial, "accuracy");
  std::stable_sort(domains.begin(), domains.end(),
                   [](const Metric* a, const Metric* b) { return a->value < b->value; });
  const auto divergences = by_domain(*trial, "kl_mean");
  Html rows;
  for (const Metric* accuracy : domains) {
    const auto kl = std::find_if(divergences.begin(), divergences.end(), [&](const Metric* metric) {
      return metric->context.domain == accuracy->context.domain;
    });
    rows += element(
        "tr", element("th", {{"scope", "row"}}, name(accuracy->context.domain)) +
                  number_cell(accuracy) + number_cell(kl == divergences.end() ? nullptr : *kl) +
                  element("td", {{"class", "number"}}, std::to_string(accuracy->samples)));
  }
  if (!rows.empty())
    out += scrolling(
        "Quality by domain",
        element("table",
                element("caption", "By domain, the worst first") +
                    element("thead",
                            element("tr", head_cell("Domain") + head_cell("Accuracy", "number") +
                                              head_cell("KL divergence", "number") +
                                              head_cell("Tokens", "number"))) +
                    element("tbody", rows)));
  rows = {};
  for (const Metric* worst : worst_sequences(*trial))
    rows += element("tr", element("th", {{"scope", "row"}}, name(worst->context.sequence)) +
                              number_cell(worst) +
                              element("td", {{"class", "number"}}, std::to_string(worst->samples)));
  if (!rows.empty())
    out += scrolling(
        "Worst texts",
        element("table",
                element("caption", "The texts farthest from the original") +
                    element("thead",
                            element("tr", head_cell("Text") + head_cell("KL divergence", "number") +
                                              head_cell("Tokens", "number"))) +
                    element("tbody", rows)));
  rows = {};
  const auto task_row = [&](std::string_view words, const std::string& domain) {
    const auto of = [&](std::string_view metric) -> const Metric* {
      if (domain.empty()) return overall(*trial, metric);
      for (const Metric* one : by_domain(*trial, metric))
        if (one->context.domain == domain) return one;
      return nullptr;
    };
    const Metric* right = of("task_accuracy");
    if (!right) return;
    rows += element("tr", element("th", {{"scope", "row"}}, name(words)) + number_cell(right) +
                              number_cell(of("task_accuracy_reference")) +
                              number_cell(of("task_accuracy_change")) +
                              number_cell(of("task_agreement")) +
                              element("td", {{"class", "number"}}, std::to_string(right->samples)));
  };
  task_row("all", "");
  for (const Metric* kind : by_domain(*trial, "task_accuracy"))
    task_row(kind->context.domain, kind->context.domain);
  if (!rows.empty()) {
    Html head;
    head += head_cell("Tasks");
    for (const char* words : {"Right", "Original", "Change", "Same answer", "Tasks"})
      head += head_cell(words, "number");
    out += scrolling("Your tasks", element("table", element("caption", "Your labelled tasks") +
                                                        element("thead", element("tr", head)) +
                                                        element("tbody", rows)));
  }
  return section("domains", "Where it differs most", out);
}

Html gates_section(const Summary& summary) {
  Html out;
  for (const Row& row : summary.rows) {
    if (!row.gates) continue;
    const std::string words = trial_text(*row.trial);
    const Html table = gate_table(words, *row.gates);
    const Html title = name(words) + text(row.gates->passed ? " \u2014 passes"
                                                            : " \u2014 a required gate is open");
    out += row.recommended ? element("h3", title) + table
                           : element("details", element("summary", title) + table);
  }
  return section("gates", "Quality gates", out);
}

Html advice_section(const Report& report) {
  Html out;
  const auto advice =
      report.recommendations.empty() ? recommendations(report) : report.recommendations;
  for (const Recommendation& item : advice)
    out += element("div", {{"class", "advice"}}, element("h3", item.title) + paragraph(item.text));
  return section("advice", "Recommendations", out);
}

Html plan_section(const Report& report, const Summary& summary) {
  if (!report.plan) return {};
  Html choices;
  for (const Choice& choice : report.plan->choices) choices += choice_item(choice);
  Html out = plan_check(*report.plan, summary);
  if (report.assessment && !report.assessment->strategy.empty())
    out += paragraph("Strategy " + report.assessment->strategy + ": " +
                     report.assessment->strategy_reason + ".");
  if (!choices.empty()) out += element("ol", {{"class", "choices"}}, choices);
  if (!report.plan->fallbacks.empty())
    out += element("h3", "Fallbacks") + list(report.plan->fallbacks);
  return section("plan", "Why these were tried", out);
}

Html matrix_section(const Report& report) {
  const auto frameworks = matrix_frameworks(report);
  Html head = head_cell("Artifact"), rows;
  for (const std::string& framework : frameworks)
    head += element("th", {{"scope", "col"}, {"class", "number"}}, name(framework));
  for (const MatrixRow& row : matrix_rows(report)) {
    Html cells = element("th", {{"scope", "row"}}, name(trial_text(*row.trial)));
    for (const std::string& framework : frameworks) {
      const auto cell = std::find_if(row.cells.begin(), row.cells.end(),
                                     [&](const CrossCheck* c) { return c->backend == framework; });
      cells += matrix_cell(cell == row.cells.end() ? nullptr : *cell);
    }
    rows += element("tr", cells);
  }
  if (rows.empty()) return {};
  const std::string caption =
      str("Each artifact in each framework that opens its format: ", wording(report).distance_title,
          " from the original, over the first few answers where the artifact was made for another "
          "framework. A verdict says when the artifact's precision does not explain it.");
  return section(
      "matrix", "Artifacts in other frameworks",
      element("p", {{"class", "caption"}}, caption) +
          scrolling("Artifacts by framework",
                    element("table",
                            element("caption", {{"class", "hidden"}}, "Artifacts by framework") +
                                element("thead", element("tr", head)) + element("tbody", rows))));
}

Html setbacks_section(const Summary& summary) {
  const Html rows =
      setback_rows("failed", summary.failed) + setback_rows("infeasible", summary.infeasible) +
      setback_rows("dominated", summary.dominated) + setback_rows("not tried", summary.not_tried);
  Html out;
  if (!rows.empty())
    out += scrolling(
        "What led to no artifact",
        element("table",
                element("caption", {{"class", "hidden"}}, "What led to no artifact") +
                    element("thead", element("tr", head_cell("What") + head_cell("Outcome") +
                                                       head_cell("Reason"))) +
                    element("tbody", rows)));
  if (!summary.not_measured.empty())
    out += element("h3", "Not measured") + list(summary.not_measured);
  return section("setbacks", "What is not in the table, and why", out);
}

Html conditions_section(const Report& report, const Summary& summary) {
  Html out = element("h3", "Control") + controls_list(summary);
  if (!report.warnings.empty()) out += element("h3", "Warnings") + list(report.warnings);
  const Html table = conditions_table(summary);
  if (!table.empty()) out += element("h3", "Per artifact") + table;
  return section("conditions", "Conditions of the measurement", out);
}

Html reproduce_section(const Report& report) {
  Html facts =
      definition("Run", report.run_id) + definition("Started", report.started_at) +
      definition("Finished", report.finished_at.empty() ? "not finished" : report.finished_at) +
      definition("Seed", str(report.goal.seed));
  if (report.model) facts += definition("Model digest", element("code", report.model->id));
  if (report.plan) facts += definition("Plan", element("code", report.plan->id));
  for (const Trial& trial : report.trials) {
    const bool recommended = report.front && trial.id == report.front->recommended_id;
    if (!recommended || !trial.measurement) continue;
    for (const Ceiling& ceiling : trial.measurement->ceilings)
      facts += definition("Ceiling", text(ceiling_text(ceiling)));
  }
  return section(
      "reproduce", "How to reproduce it",
      element("pre", {{"tabindex", "0"}, {"aria-label", "command"}},
              element("code", command_line(report))) +
          paragraph("Raw samples, the journal and report.json lie in the run's folder.") +
          element("dl", {{"class", "facts"}}, facts));
}

std::string command_line(const Report& report) {
  const Goal& goal = report.goal;
  const Goal plain;
  std::vector<std::string> words{"strop", "run",
                                 report.model ? quoted(report.model->path) : "MODEL", "-o", "DIR"};
  const auto flag = [&](const char* name, const std::string& value) {
    words.insert(words.end(), {name, quoted(value)});
  };
  if (report.target && !report.target->local) flag("--target", report.target->name);
  for (const std::string& framework : goal.frameworks) flag("--framework", framework);
  if (goal.profile == Profile::production) flag("--profile", "production");
  if (goal.profile == Profile::strict) flag("--profile", "strict");
  if (goal.budget != plain.budget) flag("--budget", fixed(goal.budget.wall_seconds, 0) + "s");
  if (goal.limits.size_bytes) flag("--max-size", std::to_string(*goal.limits.size_bytes));
  if (goal.limits.memory_bytes) flag("--max-memory", std::to_string(*goal.limits.memory_bytes));
  if (goal.limits.latency_ms) flag("--max-latency", fixed(*goal.limits.latency_ms, 3) + "ms");
  if (goal.thresholds.accuracy_ratio != plain.thresholds.accuracy_ratio)
    flag("--min-accuracy", fixed(goal.thresholds.accuracy_ratio, 4));
  for (const ThresholdName& one : kThresholdNames) {
    const bool said = one.field == &Thresholds::accuracy_ratio;  // by --min-accuracy
    if (const double value = goal.thresholds.*one.field;
        !said && value != plain.thresholds.*one.field)
      flag("--gate", str(one.gate, "=", value));
  }
  if (goal.thresholds.conversion_kl)
    flag("--gate", str(kConversionGate, "=", *goal.thresholds.conversion_kl));
  if (!goal.prefer.empty()) flag("--prefer", goal.prefer);
  for (const auto& [name, value, usual] :
       {std::tuple{"--prompt-tokens", goal.workload.prompt_tokens, plain.workload.prompt_tokens},
        {"--new-tokens", goal.workload.new_tokens, plain.workload.new_tokens},
        {"--threads", goal.workload.threads, plain.workload.threads}})
    if (value != usual) flag(name, std::to_string(value));
  if (goal.seed != plain.seed) flag("--seed", std::to_string(goal.seed));
  if (!goal.evaluation_data.empty()) flag("--data", goal.evaluation_data);
  if (!goal.evaluation_tasks.empty()) flag("--eval", goal.evaluation_tasks);
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

}  // namespace strop
