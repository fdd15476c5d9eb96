// strop: one verb per stage. Arguments in, text out; everything else is in the library.
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <array>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <thread>

#include "completion.h"
#include "config.h"
#include "request.h"
#include "strop/json.h"
#include "strop/run.h"
#include "strop/toolchain.h"
#include "values.h"
#include "watch.h"

namespace strop::cli {
namespace {

enum ExitCode {
  all_passed = 0,
  could_not_finish = 1,
  usage = 2,
  gate_not_passed = 3,
  interrupted = 130
};

constexpr const char* kDescription =
    "strop takes a model and a target and gives back the best artifact to ship there, with the "
    "evidence.";
constexpr const char* kFooter =
    "Start here:\n"
    "  strop run MODEL -o out              assess, plan, optimize, measure, gate, report\n"
    "  strop run MODEL -o out --dry-run    what would be done, and why\n"
    "  strop backends                      which engines can run here\n"
    "\n"
    "Stage by stage, each feeding the next:\n"
    "  strop assess MODEL > a.json && strop plan a.json > p.json && strop optimize p.json > "
    "o.json\n"
    "  strop measure o.json -o out > m.json && strop gate m.json > g.json && strop report g.json "
    "-o out\n"
    "\n"
    "Exit codes: 0 every required gate passes; 3 finished, a required gate fails or is not "
    "measured;\n"
    "2 usage; 1 could not finish; 130 interrupted (the same command goes on where it was).";

int exit_code_of(const Error& error) {
  if (error.code == ErrorCode::cancelled) return interrupted;
  return error.code == ErrorCode::invalid_input ? usage : could_not_finish;
}

int complain(const Error& error, bool json) {
  if (json) std::cout << to_json(error) << "\n";
  std::fprintf(stderr, "strop: %s\n", error.message.c_str());
  if (!error.hint.empty()) std::fprintf(stderr, "%s\n", error.hint.c_str());
  return exit_code_of(error);
}

// Ctrl-C asks the run to stop at the next safe point; a second one ends the program at once.
class Interrupts {
 public:
  Interrupts() {
    ::sigemptyset(&signals_);
    for (int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&signals_, signal);
    ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    std::thread([this] {
      int signal = 0;
      ::sigwait(&signals_, &signal);
      source_.request_stop();
      ::sigwait(&signals_, &signal);
      ::_exit(interrupted);
    }).detach();
  }
  std::stop_token token() const { return source_.get_token(); }

 private:
  sigset_t signals_{};
  std::stop_source source_;
};

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

std::size_t table_width() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 80
             ? std::min<std::size_t>(size.ws_col, 100)
             : 100;
}

bool wants_colour() { return is_terminal(STDOUT_FILENO) && !std::getenv("NO_COLOR"); }

bool wants_unicode() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (const char* value = std::getenv(name); value && *value)
      return std::string_view(value).find("UTF-8") != std::string_view::npos;
  }
  return false;
}

void print_table(const Report& report) {
  std::cout << to_terminal(report, table_width(), wants_colour(), wants_unicode()) << std::flush;
}

int verdict_code(const Report& report) {
  if (!report.front || report.front->recommended_id.empty()) return gate_not_passed;
  for (const GateReport& gates : report.gates) {
    if (gates.trial_id == report.front->recommended_id)
      return gates.passed ? all_passed : gate_not_passed;
  }
  return gate_not_passed;
}

Result<Report> read_report(const std::string& path) {
  std::string text;
  if (path == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    std::ifstream file(path, std::ios::binary);
    if (!file)
      return Error{.code = ErrorCode::not_found,
                   .message = str("cannot read ", path),
                   .hint = "Give the JSON that the verb before printed.",
                   .field = "input",
                   .value = path};
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  return report_from_json(text);
}

// State of one invocation.
struct Invocation {
  RunRequest request;
  std::string input;
  bool json = false;
  bool dry_run = false;
  bool quiet = false;
  std::string shell;
};

int run_verb(Invocation& in) {
  if (auto fine = check(in.request); !fine) return complain(fine.error(), in.json);
  Interrupts interrupts;
  Watch watch(is_terminal(STDERR_FILENO));
  if (in.dry_run) {
    auto report = advance(Stage::assess, {}, in.request, watch, interrupts.token());
    if (report)
      report = advance(Stage::plan, *std::move(report), in.request, watch, interrupts.token());
    watch.clear();
    if (!report) return complain(report.error(), in.json);
    if (in.json)
      std::cout << to_json(*report) << "\n";
    else
      print_table(*report);
    return all_passed;
  }
  const auto report = run(in.request, watch, interrupts.token());
  watch.clear();
  if (!report) return complain(report.error(), in.json);
  if (in.json)
    std::cout << to_json(*report) << "\n";
  else
    print_table(*report);
  if (!in.json)
    std::printf("\nReport: %s/report.html (for people), %s/report.json (for programs)\n",
                in.request.out.c_str(), in.request.out.c_str());
  return verdict_code(*report);
}

int stage_verb(Invocation& in, Stage stage) {
  Report report;
  if (stage == Stage::assess) {
    in.request.model = in.input;
  } else {
    auto read = read_report(in.input);
    if (!read) return complain(read.error(), in.json);
    report = *std::move(read);
    if (report.finished_stage == Stage::none ||
        static_cast<int>(report.finished_stage) + 1 < static_cast<int>(stage)) {
      return complain({.code = ErrorCode::invalid_input,
                       .message = str(in.input, " is not the output of the stage before"),
                       .hint = "The order is assess, plan, optimize, measure, gate, report.",
                       .field = "finished_stage"},
                      in.json);
    }
    in.request.goal = report.goal;
    if (report.model) in.request.model = report.model->path;
    if (report.target && !report.target->local) in.request.target = report.target->name;
  }
  Interrupts interrupts;
  Watch watch(is_terminal(STDERR_FILENO));
  const auto advanced = advance(stage, std::move(report), in.request, watch, interrupts.token());
  watch.clear();
  if (!advanced) return complain(advanced.error(), in.json);
  // A person at the terminal reads the table; a pipe gets what the next verb takes.
  if (is_terminal(STDOUT_FILENO) && !in.json)
    print_table(*advanced);
  else
    std::cout << to_json(*advanced) << "\n";
  return stage >= Stage::gate ? verdict_code(*advanced) : all_passed;
}

int backends_verb(const Invocation& in) {
  for (const BackendInfo& info : backends(in.request.confine)) {
    std::cout << info.name << (info.version.empty() ? "" : " " + info.version) << ": "
              << (info.unavailable_reason.empty() ? "can run here"
                                                  : "cannot run here: " + info.unavailable_reason)
              << "\n";
    for (const Device& device : info.devices) std::cout << "  device " << device.name << "\n";
    for (const std::string& note : info.notes) std::cout << "  " << note << "\n";
  }
  return all_passed;
}

std::string show_bytes(std::uint64_t bytes) { return str(bytes >> 20, " MiB"); }

void print_toolchain(const ToolchainInfo& info) {
  constexpr std::array words{"not installed", "installed", "broken"};
  std::cout << info.name << ": " << words.at(static_cast<std::size_t>(info.state))
            << (info.problem.empty() ? "" : ": " + info.problem) << "\n  " << info.title << ": "
            << info.purpose << "\n";
  if (info.disk_bytes)
    std::cout << "  takes " << show_bytes(*info.disk_bytes) << " in " << info.folder
              << (info.python.empty() ? "" : ", Python " + info.python) << "\n";
  if (info.state == ToolchainState::not_installed)
    std::cout << "  strop toolchain install " << info.name << " downloads "
              << show_bytes(info.download_bytes) << " and takes "
              << show_bytes(info.installed_bytes) << "\n";
  if (info.state == ToolchainState::broken)
    std::cout << "  strop toolchain install " << info.name << " makes it anew\n";
}

// Of `list` without a name: every one, as `check` goes through them.
int every_toolchain(const Invocation& in, bool check) {
  auto all = toolchains();
  if (!all) return complain(all.error(), in.json);
  bool whole = true;
  for (ToolchainInfo& info : *all) {
    if (check) {
      auto checked = check_toolchain(info.name);
      if (!checked) return complain(checked.error(), in.json);
      info = *std::move(checked);
    }
    whole = whole && info.state != ToolchainState::broken;
    if (!in.json) print_toolchain(info);
  }
  if (in.json) std::cout << to_json(*all) << "\n";
  return check && !whole ? could_not_finish : all_passed;
}

int toolchain_verb(const Invocation& in, const std::string& action, const std::string& name) {
  if (name.empty() && (action == "list" || action == "check"))
    return every_toolchain(in, action == "check");
  if (name.empty() != (action == "list"))
    return complain({.code = ErrorCode::invalid_input,
                     .message = action == "list" ? "list takes no name"
                                                 : str(action, " needs the name of a toolchain"),
                     .hint = "Try: strop toolchain list",
                     .field = "NAME"},
                    in.json);
  Interrupts interrupts;
  Watch watch(is_terminal(STDERR_FILENO));
  const auto info = action == "install"  ? install_toolchain(name, watch, interrupts.token())
                    : action == "remove" ? remove_toolchain(name)
                                         : check_toolchain(name);
  watch.clear();
  if (!info) return complain(info.error(), in.json);
  if (in.json)
    std::cout << to_json(*info) << "\n";
  else
    print_toolchain(*info);
  return action == "check" && info->state != ToolchainState::installed ? could_not_finish
                                                                       : all_passed;
}

std::vector<std::string> known_words(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::App* sub : app.get_subcommands({})) words.push_back(sub->get_name());
  for (std::string& flag : flags(app)) words.push_back(std::move(flag));
  return words;
}

// The error of the argument parser, with the nearest known word for a mistyped one.
int explain(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  if (error.get_exit_code() == 0) return app.exit(error);
  const CLI::App* verb = &app;
  for (const CLI::App* sub : app.get_subcommands()) verb = sub;
  std::fprintf(stderr, "strop: %s\n", error.what());
  const std::vector<std::string> known = known_words(*verb);
  for (int i = 1; i < argc; ++i) {
    const std::string typed = std::string(argv[i]).substr(0, std::string(argv[i]).find('='));
    const bool looks_like_word = typed.starts_with("--") || (i == 1 && verb == &app);
    if (!looks_like_word || std::find(known.begin(), known.end(), typed) != known.end()) continue;
    if (const std::string word = nearest(typed, known); !word.empty())
      std::fprintf(stderr, "Did you mean %s instead of %s?\n", word.c_str(), typed.c_str());
  }
  std::fprintf(stderr, "Try: strop %s%s--help\n", verb == &app ? "" : verb->get_name().c_str(),
               verb == &app ? "" : " ");
  return usage;
}

int main_body(int argc, char** argv) {
  CLI::App app{kDescription, "strop"};
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string(version()));
  app.get_formatter()->column_width(34);
  Invocation in;
  int code = all_passed;

  CLI::App* run =
      app.add_subcommand("run", "The whole pipeline: from a model to a measured, gated artifact");
  run->add_option("MODEL", in.request.model,
                  "Model folder (Hugging Face) or file (GGUF, ONNX, OpenVINO IR)")
      ->required();
  add_out_flag(*run, in.request, true);
  add_goal_flags(*run, in.request);
  std::string config;
  run->add_option("--config", config, "Flags from a TOML or INI file; the command line wins")
      ->type_name("FILE");
  run->add_flag("--dry-run", in.dry_run, "Assess and plan only: what would be done, and why");
  run->add_flag("--json", in.json, "The report as JSON on stdout");
  run->footer(
      "Example:\n  strop run ./SmolLM2-135M -o out --max-size 150MB --prefer speed\nThe same "
      "command goes on where an interrupted run was.");
  run->callback([&] { code = run_verb(in); });

  struct Verb {
    const char* name;
    Stage stage;
    const char* help;
  };
  for (const Verb& verb :
       {Verb{"assess", Stage::assess,
             "What the model and the target are, and which frameworks fit"},
        Verb{"plan", Stage::plan, "Which recipes to try, in which order, and why"},
        Verb{"optimize", Stage::optimize, "Make the plan's artifacts"},
        Verb{"measure", Stage::measure, "Measure the artifacts: speed, memory, quality"},
        Verb{"gate", Stage::gate, "Judge the measurements, find the front, recommend"},
        Verb{"report", Stage::report, "Write the report for people"}}) {
    CLI::App* sub = app.add_subcommand(verb.name, verb.help);
    sub->add_option(verb.stage == Stage::assess ? "MODEL" : "INPUT", in.input,
                    verb.stage == Stage::assess ? "Model folder or file"
                                                : "JSON of the stage before; - for standard input")
        ->required();
    if (verb.stage == Stage::assess) add_goal_flags(*sub, in.request);
    if (verb.stage == Stage::measure || verb.stage == Stage::report)
      add_out_flag(*sub, in.request, true);
    sub->add_flag("--json", in.json, "JSON on stdout even at a terminal");
    sub->callback([&code, &in, stage = verb.stage] { code = stage_verb(in, stage); });
  }

  CLI::App* list =
      app.add_subcommand("backends", "Every engine's worker, and whether it can run here");
  list->add_flag("!--no-confine", in.request.confine, "Ask them without confinement");
  list->callback([&] { code = backends_verb(in); });

  CLI::App* tools = app.add_subcommand(
      "toolchain", "Python tools of the frameworks, each in an environment of its own");
  auto action = std::make_shared<std::string>();
  auto tool = std::make_shared<std::string>();
  tools
      ->add_option(
          "ACTION", *action,
          "list: what there is, what is installed, what it takes\n"
          "install NAME: download it, pinned by hashes, or repair it; then it works offline\n"
          "check [NAME]: compare every file with what was installed\n"
          "remove NAME: free its disk space")
      ->required()
      ->check(CLI::IsMember({"list", "install", "remove", "check"}))
      ->type_name("");
  tools->add_option("NAME", *tool, "Name of the toolchain, as strop toolchain list shows it")
      ->type_name("");
  tools->add_flag("--json", in.json, "JSON on stdout");
  tools->footer(
      "Example:\n  strop toolchain install nncf\nRecipes that need a toolchain which is not "
      "installed are listed as not tried; the rest of a run goes on.\nInstalls with uv when it is "
      "there, else with venv and pip, from the package index that these are set up for.\nRefused "
      "or broken: exit code 1. STROP_PYTHON names the Python to use.");
  tools->callback([&code, &in, action, tool] { code = toolchain_verb(in, *action, *tool); });

  CLI::App* schema =
      app.add_subcommand("schema", "JSON Schema of report.json or of the worker protocol");
  auto of = std::make_shared<std::string>("report");
  schema->add_option("OF", *of, "report or protocol")
      ->check(CLI::IsMember({"report", "protocol"}))
      ->capture_default_str();
  schema->callback(
      [of] { std::cout << (*of == "report" ? report_schema() : protocol_schema()) << "\n"; });

  CLI::App* complete = app.add_subcommand("completion", "Completion script for a shell");
  complete->add_option("SHELL", in.shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  complete->callback([&] { std::cout << completion(app, in.shell); });

  CLI::App* man = app.add_subcommand("man", "The manual page, as roff: strop man | man -l -");
  man->callback([&] { std::cout << manual(app); });

  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (!arguments.empty() && arguments.front() == run->get_name()) {
    auto expanded = with_config(*run, std::move(arguments));
    if (!expanded) return complain(expanded.error(), false);
    arguments = *std::move(expanded);
  }
  std::reverse(arguments.begin(), arguments.end());  // as the parser takes them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    return explain(app, error, argc, argv);
  }
  return code;
}

}  // namespace
}  // namespace strop::cli

int main(int argc, char** argv) {
  try {
    return strop::cli::main_body(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "strop: a bug in strop: %s\nPlease report it with the command you ran.\n",
                 error.what());
    return strop::cli::could_not_finish;
  }
}
