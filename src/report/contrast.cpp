#include "report/contrast.h"

#include <algorithm>
#include <array>
#include <map>

#include "core/units.h"
#include "report/figures.h"
#include "report/terminal_writer.h"

namespace strop {
namespace {

constexpr std::size_t kIndent = 2;
constexpr std::array kWords{"better",  "worse",       "no difference",
                            "differs", "cannot tell", "not measured"};
const std::map<std::string, std::string>& titles() {
  static const std::map<std::string, std::string> kTitles{
      {"request_time", "request time"}, {"time_to_first_token", "time to first token"},
      {"decode_rate", "decode rate"},   {"peak_memory", "peak memory"},
      {"load_time", "load time"},       {"total_bytes", "size on disk"},
      {"kl_mean", "KL to the first"},   {"perplexity", "perplexity"},
      {"speedup", "speed vs baseline"}, {"noise_ratio", "noise to the first"}};
  return kTitles;
}

std::string title_of(const std::string& metric) {
  const auto found = titles().find(metric);
  if (found != titles().end()) return found->second;
  std::string title = metric;
  std::replace(title.begin(), title.end(), '_', ' ');
  return title;
}

std::string figure(const Difference& difference, const std::optional<double>& value) {
  if (!value) return "-";
  return value_text(
      quantity({.metric = difference.metric, .unit = difference.unit, .value = *value}));
}

std::string ratio_text(const Difference& difference) {
  if (difference.finding == Finding::not_measured) return "-";
  const Quantity shown{
      difference.ratio.value_or(difference.second.value_or(0)), difference.interval, {}, false};
  return full_text(shown);
}

const char* word(Finding finding) { return kWords.at(static_cast<std::size_t>(finding)); }

std::string conditions_text(const Conditions& conditions) {
  std::string text = conditions.engine_version.empty() ? "" : "engine " + conditions.engine_version;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (!conditions.cpu_variant.empty()) add("CPU kernels " + conditions.cpu_variant);
  if (conditions.threads > 0) add(str(conditions.threads, " threads"));
  if (conditions.foreign_load)
    add(str("others used ", number_text(*conditions.foreign_load), " cores"));
  if (conditions.steal_ratio) add(str("steal ", number_text(*conditions.steal_ratio * 100), " %"));
  if (!conditions.date.empty()) add(conditions.date);
  return text;
}

std::string side_text(const Side& side) {
  std::string text = side.name;
  if (side.artifact)
    text += str(" (", side.artifact->backend, ", ", side.artifact->format, ", ",
                bytes_text(side.artifact->total_bytes), ")");
  else
    text += str(" (run ", side.run_id, " on ", side.machine, ")");
  return text;
}

void add_table(TerminalWriter& page, const Contrast& contrast) {
  constexpr std::array<std::size_t, 5> kColumns{22, 12, 12, 26, 14};
  const auto row = [&](const std::array<std::string, 5>& cells) {
    std::string text(kIndent, ' ');
    for (std::size_t i = 0; i < cells.size(); ++i) text += padded(cells[i], kColumns[i], false);
    page.line(text);
  };
  std::string subject;
  row({"", "first", "second", "second / first (95 %)", "the second is"});
  for (const Difference& difference : contrast.differences) {
    if (difference.subject != subject) page.line(subject = difference.subject);
    row({title_of(difference.metric), figure(difference, difference.first),
         figure(difference, difference.second), ratio_text(difference), word(difference.finding)});
  }
}

std::string overall_text(Finding finding) {
  switch (finding) {
    case Finding::worse:
      return "The second is worse in at least one metric.";
    case Finding::undecided:
      return "Nowhere worse as far as can be told, but at least one metric cannot be told.";
    case Finding::better:
      return "The second is better in at least one metric and worse in none.";
    case Finding::no_difference:
    case Finding::differs:
      return "No difference that counts.";
    case Finding::not_measured:
      break;
  }
  return "Nothing could be compared.";
}

std::string context_text(const MetricContext& context) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (context.prompt_tokens) add(str("prompt ", *context.prompt_tokens));
  if (context.new_tokens) add(str(*context.new_tokens, " new"));
  if (context.depth) add(str("depth ", *context.depth));
  if (context.inferences) add(str(*context.inferences, " inferences"));
  if (context.batch) add(str("batch ", *context.batch));
  if (context.concurrency)
    add(str(*context.concurrency, *context.concurrency == 1 ? " stream" : " streams"));
  if (context.arrival_rate) add(str("arrivals ", number_text(*context.arrival_rate), "/s"));
  return text;
}

// The batch stands in the context beside it.
Quantity with_its_unit(const Metric& metric) {
  Quantity shown = quantity(metric);
  if (metric.unit == "samples/s") shown.unit = metric.unit;
  return shown;
}

}  // namespace

std::string contrast_text(const Contrast& contrast, std::size_t width, bool unicode) {
  TerminalWriter page({.width = width, .colour = false, .unicode = unicode});
  page.field("first", side_text(contrast.first));
  page.field("", conditions_text(contrast.first.conditions));
  page.field("second", side_text(contrast.second));
  page.field("", conditions_text(contrast.second.conditions));
  page.line();
  add_table(page, contrast);
  page.line();
  for (const Difference& difference : contrast.differences) {
    const bool clear = difference.finding == Finding::better ||
                       difference.finding == Finding::worse ||
                       difference.finding == Finding::no_difference;
    if (!clear)
      page.field(word(difference.finding), title_of(difference.metric) + ": " + difference.reason);
  }
  for (const std::string& warning : contrast.warnings) page.field("note", warning);
  page.field("overall", overall_text(contrast.overall));
  return page.take();
}

std::string load_text(const LoadOutcome& outcome, std::size_t width, bool unicode) {
  TerminalWriter page({.width = width, .colour = false, .unicode = unicode});
  page.field("artifact",
             str(outcome.name, " (", outcome.artifact.backend, ", ", outcome.artifact.format, ")"));
  page.field("", conditions_text(outcome.measurement.conditions));
  page.line();
  for (const Metric& metric : outcome.measurement.metrics)
    page.line(std::string(kIndent, ' ') + padded(title_of(metric.metric), 24, false) +
              padded(context_text(metric.context), 46, false) + full_text(with_its_unit(metric)) +
              (metric.samples > 0 ? str(", n = ", metric.samples) : ""));
  for (const Ceiling& ceiling : outcome.measurement.ceilings)
    page.field("ceiling", ceiling_text(ceiling));
  for (const Unmeasured& one : outcome.measurement.not_measured)
    page.field(
        "not measured",
        title_of(one.metric) +
            (context_text(one.context).empty() ? "" : " (" + context_text(one.context) + ")") +
            ": " + one.reason);
  for (const std::string& warning : outcome.warnings) page.field("note", warning);
  return page.take();
}

}  // namespace strop
