#include "request.h"

#include "values.h"

namespace strop::cli {
namespace {

// An option whose text becomes a value by one of the parsers of values.h.
template <class T, class Parser>
void add_value(CLI::App& app, const std::string& flag, T& target, Parser parser,
               const std::string& help, const std::string& form) {
  app.add_option_function<std::string>(
         flag,
         [&target, parser, flag](const std::string& text) {
           auto value = parser(text);
           if (!value) throw CLI::ValidationError(flag, value.error().message);
           target = *value;
         },
         help)
      ->type_name(form)
      ->group("Goal");
}

}  // namespace

void add_goal_flags(CLI::App& app, RunRequest& request) {
  Goal& goal = request.goal;
  app.add_option("--target", request.target,
                 "Target profile by name or file; without it, this machine")
      ->type_name("NAME|FILE")
      ->group("Goal");
  app.add_option("--framework", goal.frameworks,
                 "Only these frameworks, in this order of preference")
      ->type_name("NAME,...")
      ->delimiter(',')
      ->group("Goal");
  app.add_option_function<std::string>(
         "--profile",
         [&goal](const std::string& word) {
           goal.profile = word == "production" ? Profile::production : Profile::prototype;
         },
         "Which gates are required: prototype (accuracy, speed, memory) or production (all)")
      ->check(CLI::IsMember({"prototype", "production"}))
      ->type_name("prototype|production")
      ->group("Goal");
  add_value(app, "--budget", goal.budget.wall_seconds, parse_seconds,
            "Wall time for the whole run; default 5m", "TIME");
  add_value(app, "--max-size", goal.limits.size_bytes, parse_size, "Largest artifact on disk",
            "SIZE");
  add_value(app, "--max-memory", goal.limits.memory_bytes, parse_size, "Highest peak memory",
            "SIZE");
  add_value(
      app, "--max-latency", goal.limits.latency_ms,
      [](std::string_view text) -> Result<double> {
        STROP_TRY(const double seconds, parse_seconds(text));
        return seconds * 1000;
      },
      "Highest median time per token", "TIME");
  add_value(app, "--min-accuracy", goal.thresholds.accuracy_ratio, parse_ratio,
            "Lowest accuracy, as a share of the original's; default 95%", "RATIO");
  app.add_option("--prefer", goal.prefer,
                 "What decides between artifacts that pass: speed, accuracy or memory")
      ->check(CLI::IsMember({"speed", "accuracy", "memory"}))
      ->type_name("WHAT")
      ->group("Goal");
  app.add_option("--data", goal.evaluation_data,
                 "Your own evaluation data: .txt files, or several by domain, as "
                 "news=FILE,code=FOLDER; for tensor models arrays, images or texts (docs/data.md)")
      ->type_name("PATH|NAME=PATH,...")
      ->group("Goal");
  app.add_option("--eval", goal.evaluation_tasks,
                 "Your own labelled tasks: multiple choice, classification, exact answers")
      ->type_name("FILE.jsonl")
      ->check(CLI::ExistingFile)
      ->group("Goal");
  app.add_option("--threads", goal.workload.threads,
                 "Threads of every engine; default: every usable core")
      ->type_name("N")
      ->check(CLI::Range(1, 1024))
      ->group("Goal");
  app.add_option("--seed", goal.seed, "Seed of everything random")->type_name("N")->group("Goal");
  add_worker_flags(app, request);
}

void add_worker_flags(CLI::App& app, RunRequest& request) {
  add_value(app, "--max-worker-memory", request.worker_memory_bytes, parse_size,
            "A worker that uses more is ended; default nine tenths of the available memory",
            "SIZE");
  add_value(app, "--worker-timeout", request.worker_silence_seconds, parse_seconds,
            "A worker that is silent for longer is ended; default 5m", "TIME");
  app.add_flag("!--no-confine", request.confine, "Run the engines without confinement")
      ->group("Goal");
}

void add_out_flag(CLI::App& app, RunRequest& request, bool required) {
  auto* option =
      app.add_option("-o,--out", request.out, "Folder for the results")->type_name("DIR");
  if (required) option->required();
}

Result<void> check(const RunRequest& request) {
  if (request.goal.budget.wall_seconds < 1) {
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("--budget must be at least 1s, but got ",
                                request.goal.budget.wall_seconds, "s"),
                 .field = "--budget"};
  }
  return {};
}

}  // namespace strop::cli
