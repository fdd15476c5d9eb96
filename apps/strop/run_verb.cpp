// strop run: the whole pipeline.
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "console.h"
#include "request.h"
#include "strop/json.h"
#include "strop/run.h"
#include "verbs.h"
#include "watch.h"

namespace strop::cli {
namespace {

struct Invocation {
  RunRequest request;
  std::string locked;  // run folder or lock file to repeat
  std::string config;  // read before the flags are parsed, see with_config
  bool json = false;
  bool dry_run = false;
};

// The request that the lock file pins; model and data may have moved, all else is as it was.
Result<void> take_from_lock_file(Invocation& in) {
  auto found = read_lock_file(in.locked);
  if (!found) return of_argument(std::move(found).error(), "--locked");
  LockFile lock = *std::move(found);
  RunRequest& request = in.request;
  if (!request.goal.evaluation_data.empty())
    lock.goal.evaluation_data = request.goal.evaluation_data;
  if (!request.goal.evaluation_tasks.empty())
    lock.goal.evaluation_tasks = request.goal.evaluation_tasks;
  request.goal = lock.goal;
  request.target = lock.target;
  request.confine = lock.confine;
  request.worker_memory_bytes = lock.worker_memory_bytes;
  request.worker_silence_seconds = lock.worker_silence_seconds;
  for (const PinnedData& data : lock.data) {
    if (data.what == "model" && request.model.empty()) request.model = data.path;
  }
  request.locked = std::move(lock);
  return {};
}

Error usage_error(const std::string& field, const std::string& message, const std::string& hint) {
  return {.code = ErrorCode::invalid_input, .message = message, .hint = hint, .field = field};
}

// What a lock file decides must not be given beside it.
Result<void> check_flags(const CLI::App& verb, const Invocation& in) {
  if (in.locked.empty())
    return in.request.model.empty()
               ? Result<void>(usage_error("MODEL", "MODEL is required", "Try: strop run --help"))
               : Result<void>();
  for (const CLI::Option* option : verb.get_options()) {
    const std::string name = option->get_name();
    const bool pinned = option->get_group() == kGoal || option->get_group() == kWorkers;
    if (pinned && option->count() > 0 && name != "--data" && name != "--eval")
      return usage_error(name, name + " cannot be given with --locked: the lock file says it",
                         "Leave it out; only MODEL, --data, --eval and -o may differ.");
  }
  return {};
}

int repeat_verdict(const Invocation& in) {
  const auto now = read_lock_file(in.request.out);
  if (!now) return complain(now.error(), in.json);
  const Repeat repeat = compare(*in.request.locked, *now);
  if (!in.json) std::cout << "\n";
  print(repeat, in.json);
  return repeat.repeated ? all_passed : not_repeated;
}

int dry_run(const Invocation& in, Watch& watch, std::stop_token stop) {
  auto report = advance(Stage::assess, {}, in.request, watch, stop);
  if (report) report = advance(Stage::plan, *std::move(report), in.request, watch, stop);
  watch.clear();
  if (!report) return complain(report.error(), in.json);
  print(*report, in.json);
  return all_passed;
}

int whole_run(const Invocation& in, Watch& watch, std::stop_token stop) {
  auto report = run(in.request, watch, stop);
  watch.clear();
  if (!report) {
    if (report.error().code == ErrorCode::cancelled)
      report.error().hint = "Run the same command again to go on where it was.";
    return complain(report.error(), in.json);
  }
  if (in.request.locked) {
    if (!in.json) print(*report, false);
    return repeat_verdict(in);
  }
  print(*report, in.json);
  if (!in.json)
    std::printf("\nReport: %s/report.html (for people), %s/report.json (for programs)\n",
                in.request.out.c_str(), in.request.out.c_str());
  return verdict_code(*report);
}

int run_verb(const CLI::App& verb, Invocation& in) {
  if (auto fine = check_flags(verb, in); !fine) return complain(fine.error(), in.json);
  if (!in.locked.empty()) {
    if (auto taken = take_from_lock_file(in); !taken) return complain(taken.error(), in.json);
  }
  if (auto fine = check(in.request); !fine) return complain(fine.error(), in.json);
  Interrupts interrupts;
  Watch watch(is_terminal(STDERR_FILENO));
  return in.dry_run ? dry_run(in, watch, interrupts.token())
                    : whole_run(in, watch, interrupts.token());
}

}  // namespace

CLI::App* add_run_verb(CLI::App& program, int& code) {
  CLI::App* verb = program.add_subcommand(
      "run", "The whole pipeline: from a model to a measured, gated artifact");
  const auto in = std::make_shared<Invocation>();
  verb->add_option("MODEL", in->request.model,
                   "Model folder (Hugging Face) or file (GGUF, ONNX, OpenVINO IR)");
  add_out_flag(*verb, in->request, true);
  add_goal_flags(*verb, in->request);
  add_store_limit(*verb, in->request);
  verb->add_option(
          "--locked", in->locked,
          "Repeat the run of this folder (or strop.lock.json) and say which number changed "
          "and which input differs; MODEL and --data then say where they lie now")
      ->type_name("DIR|FILE");
  verb->add_option("--config", in->config, "Flags from a TOML or INI file; the command line wins")
      ->type_name("FILE")
      ->configurable(false);
  verb->add_flag("--dry-run", in->dry_run, "Assess and plan only: what would be done, and why");
  verb->add_flag("--json", in->json, "The report as JSON on stdout");
  verb->footer(
      str("Example:\n  strop run ./SmolLM2-135M -o out --max-size 150MB --prefer speed\nThe same "
          "command goes on where an interrupted run was.\n",
          kVerdictCodes,
          "; 130 interrupted. With --locked: 0 nothing\nchanged; 4 a number changed or an input "
          "differs."));
  verb->callback([&code, in, verb] { code = run_verb(*verb, *in); });
  return verb;
}

}  // namespace strop::cli
