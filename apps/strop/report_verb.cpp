// strop report: the last stage, and finished runs shown again, one alone or several side by side.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "console.h"
#include "request.h"
#include "strop/run.h"
#include "strop/side_by_side.h"
#include "verbs.h"
#include "watch.h"

namespace fs = std::filesystem;

namespace strop::cli {
namespace {

constexpr const char* kHint =
    "Give the folder of a finished run, its report.json, or what `strop gate` printed.";

struct Invocation {
  RunRequest request;
  std::vector<std::string> inputs;
  bool json = false;
};

Error usage_error(const std::string& message, const std::string& hint) {
  return {.code = ErrorCode::invalid_input, .message = message, .hint = hint};
}

// The stage itself: what gate left becomes the report's files.
int finish(Invocation& in, Report report) {
  if (report.finished_stage != Stage::gate)
    return complain(usage_error(in.inputs.front() + " is not the output of gate",
                                "The order is assess, plan, optimize, measure, gate, report."),
                    in.json);
  if (in.request.out.empty())
    return complain(
        usage_error("-o is required: the report's files go there", "Try: strop report - -o out"),
        in.json);
  in.request.goal = report.goal;
  if (report.model) in.request.model = report.model->path;
  if (report.target && !report.target->local) in.request.target = report.target->name;
  const Interrupts interrupts;
  Watch watch(is_terminal(STDERR_FILENO));
  const auto finished =
      advance(Stage::report, std::move(report), in.request, watch, interrupts.token());
  watch.clear();
  if (!finished) return complain(finished.error(), in.json);
  // A person at the terminal reads the table; a pipe gets JSON, as from every stage.
  print(*finished, in.json || !is_terminal(STDOUT_FILENO));
  return verdict_code(*finished);
}

// `run`: where the raw samples lie that the page draws; empty: nowhere.
int show_run(const Invocation& in, const Report& report, const fs::path& run) {
  if (!in.request.out.empty()) {
    if (auto written = write_report(report, in.request.out, run.string()); !written)
      return complain(written.error(), in.json);
  }
  print(report, in.json);
  return verdict_code(report);
}

int show_sides(const Invocation& in) {
  std::vector<NamedReport> runs;
  for (const std::string& input : in.inputs) {
    auto run = read_run(input);
    if (!run) return complain(of_argument(std::move(run).error(), "RUN"), in.json);
    runs.push_back(*std::move(run));
  }
  const SideBySide sides = side_by_side(runs);
  if (!in.request.out.empty()) {
    if (auto written = write_report(sides, in.request.out); !written)
      return complain(written.error(), in.json);
  }
  print(sides, in.json);
  return all_passed;
}

int report_verb(Invocation& in) {
  if (in.inputs.size() > 1) return show_sides(in);
  const std::string& input = in.inputs.front();
  std::error_code error;
  if (fs::is_directory(input, error)) {
    auto run = read_run(input);
    if (!run) return complain(of_argument(std::move(run).error(), "RUN"), in.json);
    return show_run(in, run->report, input);
  }
  auto report = read_report(input, kHint);
  if (!report) return complain(report.error(), in.json);
  if (report->finished_stage != Stage::report) return finish(in, *std::move(report));
  return show_run(in, *report, input == "-" ? fs::path() : fs::absolute(input).parent_path());
}

}  // namespace

void add_report_verb(CLI::App& program, int& code) {
  CLI::App* verb = program.add_subcommand(
      "report", "Write the report for people, show a run again, or several side by side");
  const auto in = std::make_shared<Invocation>();
  verb->add_option("RUN", in->inputs,
                   "Folders of finished runs or their report.json, from this or other machines; or "
                   "the JSON that gate printed, - for standard input")
      ->required();
  verb->add_option("-o,--out", in->request.out,
                   "Folder for the files: report.html and report.json, or side_by_side.html and "
                   "side_by_side.json")
      ->type_name("DIR");
  verb->add_flag("--json", in->json, "JSON on stdout even at a terminal");
  verb->footer(str(
      "Examples:\n  strop report out                       the table of a finished run\n  strop "
      "report laptop/ server/ -o both   several runs side by side, as a page too\n  strop gate "
      "m.json "
      "| strop report - -o out\n",
      kVerdictCodes, ". Several runs are not\njudged: 0."));
  verb->callback([&code, in] { code = report_verb(*in); });
}

}  // namespace strop::cli
