// One verb per stage but the last, which shows finished runs too: the output of one is the input of
// the next.
#include <unistd.h>

#include <array>
#include <memory>

#include "console.h"
#include "request.h"
#include "stage_verbs.h"
#include "strop/json.h"
#include "strop/run.h"
#include "verbs.h"
#include "watch.h"

namespace strop::cli {
namespace {

struct Verb {
  const char* name;
  Stage stage;
  const char* help;
};

constexpr std::array kVerbs{
    Verb{"assess", Stage::assess, "What the model and the target are, and which frameworks fit"},
    Verb{"plan", Stage::plan, "Which recipes to try, in which order, and why"},
    Verb{"optimize", Stage::optimize, "Make the plan's artifacts"},
    Verb{"gate", Stage::gate, "Judge the measurements, find the front, recommend"}};

// What the goal has where the flag would say it.
std::string said(const Goal& goal, const std::string& flag) {
  const Workload& workload = goal.workload;
  if (flag == "--budget") return str(goal.budget.wall_seconds, "s");
  if (flag == "--prompt-tokens") return str(workload.prompt_tokens);
  if (flag == "--new-tokens") return str(workload.new_tokens);
  if (flag == "--threads")
    return workload.threads == 0 ? "every usable core" : str(workload.threads);
  if (flag == "--seed") return str(goal.seed);
  return goal.evaluation_data.empty() ? "the text that strop ships" : goal.evaluation_data;
}

// The goal is the report's: a flag that says it again is refused, not dropped.
Result<void> check_flags(const CLI::App& verb, const Goal& goal) {
  for (const CLI::Option* option : verb.get_options()) {
    if (option->get_group() != kGoal || option->count() == 0) continue;
    const std::string name = option->get_name();
    return Error{.code = ErrorCode::invalid_input,
                 .message = str(name, " cannot be given with a report: it says ", said(goal, name)),
                 .hint = "Leave it out, or begin again with it: strop assess.",
                 .field = name};
  }
  return {};
}

// What the verb before left; its model, target and goal become the request's.
Result<Report> report_before(StageInvocation& in, Stage stage) {
  const auto before = static_cast<Stage>(static_cast<int>(stage) - 1);
  STROP_TRY(Report report, read_report(in.input, str("Give what `strop ", word_of(before),
                                                     "` printed; - reads standard input.")));
  if (report.finished_stage == Stage::none ||
      static_cast<int>(report.finished_stage) + 1 < static_cast<int>(stage)) {
    return Error{.code = ErrorCode::invalid_input,
                 .message = str(in.input, " is not the output of the stage before"),
                 .hint = "The order is assess, plan, optimize, measure, gate, report.",
                 .field = "finished_stage"};
  }
  STROP_CHECK(check_flags(*in.verb, report.goal));
  in.request.goal = report.goal;
  if (report.model) in.request.model = report.model->path;
  if (report.target && !report.target->local) in.request.target = report.target->name;
  return report;
}

}  // namespace

int stage_verb(StageInvocation& in, Stage stage) {
  Report report;
  if (stage == Stage::assess) {
    in.request.model = in.input;
  } else {
    auto before = report_before(in, stage);
    if (!before) return complain(before.error(), in.json);
    report = *std::move(before);
  }
  Interrupts interrupts;
  Watch watch(is_terminal(STDERR_FILENO));
  const auto advanced = advance(stage, std::move(report), in.request, watch, interrupts.token());
  watch.clear();
  if (!advanced) return complain(advanced.error(), in.json);
  // A person at the terminal reads the table; a pipe gets what the next verb takes.
  if (is_terminal(STDOUT_FILENO) && !in.json)
    print(*advanced, false);
  else
    print(*advanced, true);
  return stage >= Stage::gate ? verdict_code(*advanced) : all_passed;
}

void add_stage_verbs(CLI::App& program, int& code) {
  for (const Verb& verb : kVerbs) {
    const bool first = verb.stage == Stage::assess;
    if (verb.stage == Stage::gate) add_measure_verb(program, code);  // in pipeline order
    CLI::App* sub = program.add_subcommand(verb.name, verb.help);
    const auto in = std::make_shared<StageInvocation>();
    sub->add_option(
           first ? "MODEL" : "INPUT", in->input,
           first ? "Model folder or file" : "JSON of the stage before; - for standard input")
        ->required();
    in->verb = sub;
    if (first) add_goal_flags(*sub, in->request);
    if (verb.stage == Stage::optimize) add_worker_flags(*sub, in->request);
    if (verb.stage == Stage::gate) sub->footer(str(kVerdictCodes, "."));
    sub->add_flag("--json", in->json, "JSON on stdout even at a terminal");
    sub->callback([&code, in, stage = verb.stage] { code = stage_verb(*in, stage); });
  }
}

}  // namespace strop::cli
