#include "request.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "checks.h"
#include "strop/thresholds.h"
#include "values.h"

namespace strop::cli {
namespace {

// An option whose text becomes a value by one of the parsers of values.h.
template <class T, class Parser>
CLI::Option* add_value(CLI::App& app, const std::string& flag, T& target, Parser parser,
                       const std::string& help, const std::string& form) {
  return app
      .add_option_function<std::string>(
          flag,
          [&target, parser, flag](const std::string& text) {
            auto value = parser(text);
            if (!value) throw CLI::ValidationError(flag, value.error().message);
            target = *value;
          },
          help)
      ->type_name(form)
      ->group(kGoal);
}

std::string gate_names() {
  std::string names = kConversionGate;
  for (const ThresholdName& one : kThresholdNames) names += str(", ", one.gate);
  return names;
}

// "speed=1.5"
void set_gate(Thresholds& thresholds, const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::string name = text.substr(0, equals);
  double value = 0;
  const std::string number = equals == text.npos ? "" : text.substr(equals + 1);
  const char* const end = number.data() + number.size();
  const auto [rest, error] = std::from_chars(number.data(), end, value);
  if (error != std::errc() || rest != end || !std::isfinite(value) || value < 0)
    throw CLI::ValidationError(
        "--gate", str("must be NAME=NUMBER, the number at least 0, but got \"", text, "\""));
  if (name == kConversionGate) {
    thresholds.conversion_kl = value;
    return;
  }
  const auto gate = std::find_if(kThresholdNames.begin(), kThresholdNames.end(),
                                 [&](const ThresholdName& one) { return name == one.gate; });
  if (gate == kThresholdNames.end())
    throw CLI::ValidationError("--gate",
                               str("there is no gate ", name, "; known are ", gate_names()));
  thresholds.*gate->field = value;
}

// Of a run and of a measurement outside of one.
void add_shared_flags(CLI::App& app, RunRequest& request) {
  Goal& goal = request.goal;
  app.add_option("--prompt-tokens", goal.workload.prompt_tokens,
                 "Prompt of one request, which latency and speed are of")
      ->type_name("N")
      ->check(whole_number(1, 1 << 20))
      ->capture_default_str()
      ->group(kGoal);
  app.add_option("--new-tokens", goal.workload.new_tokens, "Continuation of one request")
      ->type_name("N")
      ->check(whole_number(1, 1 << 20))
      ->capture_default_str()
      ->group(kGoal);
  app.add_option("--data", goal.evaluation_data,
                 "Your own evaluation data: .txt files, or several by domain, as "
                 "news=FILE,code=FOLDER; for tensor models arrays, images or texts (docs/data.md)")
      ->type_name("PATH|NAME=PATH,...")
      ->group(kGoal);
  app.add_option("--threads", goal.workload.threads,
                 "Threads of every engine; default: every usable core")
      ->type_name("N")
      ->check(whole_number(1, 1024))
      ->group(kGoal);
  app.add_option("--seed", goal.seed, "Seed of everything random")
      ->type_name("N")
      ->check(whole_number())
      ->group(kGoal);
  add_worker_flags(app, request);
}

}  // namespace

void add_worker_flags(CLI::App& app, RunRequest& request) {
  add_value(app, "--max-worker-memory", request.worker_memory_bytes, parse_size,
            "A worker that uses more is ended; default nine tenths of the available memory", "SIZE")
      ->group(kWorkers);
  add_value(app, "--worker-timeout", request.worker_silence_seconds, parse_seconds,
            "A worker that is silent for longer is ended; default 5m", "TIME")
      ->group(kWorkers);
  app.add_flag("!--no-confine", request.confine, "Run the engines without confinement")
      ->group(kWorkers);
}

void add_goal_flags(CLI::App& app, RunRequest& request) {
  Goal& goal = request.goal;
  app.add_option("--target", request.target,
                 "Target profile by name or file; without it, this machine")
      ->type_name("NAME|FILE")
      ->group(kGoal);
  app.add_option("--framework", goal.frameworks,
                 "Only these frameworks, in this order of preference")
      ->type_name("NAME,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group(kGoal);
  app.add_option_function<std::string>(
         "--profile",
         [&goal](const std::string& word) {
           goal.profile = word == "strict"       ? Profile::strict
                          : word == "production" ? Profile::production
                                                 : Profile::prototype;
         },
         "Which gates are required: prototype (conversion, accuracy, speed, memory), production "
         "(all, with a test under load), strict (all, and noisy or not measured is a failure)")
      ->check(one_of({"prototype", "production", "strict"}))
      ->type_name("prototype|production|strict")
      ->group(kGoal);
  app.add_option("--eval", goal.evaluation_tasks,
                 "Your own labelled tasks: multiple choice, classification, exact answers")
      ->type_name("FILE.jsonl")
      ->check(existing_file())
      ->group(kGoal);
  add_value(app, "--budget", goal.budget.wall_seconds, parse_seconds,
            str("Wall time for the whole run; default ", Budget{}.wall_seconds, "s"), "TIME");
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
      "Highest median time per token; of a tensor model: per inference", "TIME");
  add_value(app, "--min-accuracy", goal.thresholds.accuracy_ratio, parse_ratio,
            "Lowest accuracy, as a share of the original's; default 95%", "RATIO");
  std::string help = "Another threshold for a gate, as often as needed; NAME is";
  for (const ThresholdName& one : kThresholdNames)
    help += str("\n", one.gate, ": ", one.what, "; default ", Thresholds{}.*one.field);
  app.add_option_function<std::vector<std::string>>(
         "--gate",
         [&goal](const std::vector<std::string>& all) {
           for (const std::string& one : all) set_gate(goal.thresholds, one);
         },
         help + "\n" + kConversionGate + ": highest mean KL, in nats; default by the precision")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false)
      ->group(kGoal);
  app.add_option("--prefer", goal.prefer,
                 "What decides between artifacts that pass: speed, accuracy or memory")
      ->check(one_of({"speed", "accuracy", "memory"}))
      ->type_name("WHAT")
      ->group(kGoal);
  add_shared_flags(app, request);
}

void add_measure_flags(CLI::App& app, RunRequest& request) {
  request.goal.budget.wall_seconds = 60;
  add_value(app, "--budget", request.goal.budget.wall_seconds, parse_seconds,
            "Wall time, about; default 1m (of a report: what it says itself)", "TIME");
  add_shared_flags(app, request);
}

void add_out_flag(CLI::App& app, RunRequest& request, bool required) {
  auto* option =
      app.add_option("-o,--out", request.out, "Folder for the results")->type_name("DIR");
  if (required) option->required();
}

void add_store_limit(CLI::App& app, RunRequest& request) {
  add_value(app, "--store-limit", request.store_limit_bytes, parse_size,
            "Most the store's artifacts may take; above it what no run folder needs goes", "SIZE")
      ->envname("STROP_STORE_LIMIT")
      ->group("Store");
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
