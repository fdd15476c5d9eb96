// strop: one verb per stage. Arguments in, text out; everything else is in the library.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "completion.h"
#include "config.h"
#include "console.h"
#include "help.h"
#include "strop/run.h"
#include "values.h"
#include "verbs.h"

namespace strop::cli {
namespace {

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
    "Afterwards:\n"
    "  strop report out                    show it again; several runs: side by side\n"
    "  strop run --locked out -o again     repeat it, and say what changed\n"
    "  strop store list                    what all runs have made, and its size\n"
    "\n"
    "Exit codes: 0 every required gate passes; 3 finished, a required gate fails or is not "
    "measured;\n"
    "4 run --locked: a number changed or an input differs; measure A B: too noisy to tell;\n"
    "2 usage; 1 could not finish; 130 interrupted (the same command goes on where it was).";

std::vector<std::string> known_words(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::App* sub : app.get_subcommands({})) words.push_back(sub->get_name());
  for (std::string& flag : flags(app)) words.push_back(std::move(flag));
  return words;
}

// Whether a mistyped word may be behind it: the parser misses one, or has one too many.
bool is_of_words(const CLI::ParseError& error) {
  const int code = error.get_exit_code();
  return code == static_cast<int>(CLI::ExitCodes::ExtrasError) ||
         code == static_cast<int>(CLI::ExitCodes::RequiredError);
}

// What stands in the place of a verb or a flag and is none; empty: nothing.
std::string mistyped(const std::vector<std::string>& known, bool has_verb, int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::string typed = std::string(argv[i]).substr(0, std::string(argv[i]).find('='));
    const bool in_place = typed.starts_with("--") || (i == 1 && !has_verb);
    if (in_place && std::find(known.begin(), known.end(), typed) == known.end()) return typed;
  }
  return {};
}

// What the parser refuses, with the nearest known word for a mistyped one.
std::string message_of(const CLI::App& verb, bool has_verb, const CLI::ParseError& error, int argc,
                       char** argv) {
  const std::vector<std::string> known = known_words(verb);
  const std::string typed = is_of_words(error) ? mistyped(known, has_verb, argc, argv) : "";
  if (typed.empty()) {
    std::string message = error.what();
    if (const auto at = message.find(": must be "); at != message.npos) message.erase(at, 1);
    return message;
  }
  const std::string near = nearest(typed, known);
  return str(typed.starts_with('-') ? str(verb.get_name(), " has no flag ", typed)
                                    : str("there is no verb ", typed),
             near.empty() ? "." : str(". Did you mean ", near, "?"));
}

int explain(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  if (error.get_exit_code() == 0) return app.exit(error);
  const CLI::App* verb = &app;
  for (const CLI::App* sub : app.get_subcommands()) verb = sub;
  std::fprintf(stderr, "strop: %s\n", message_of(*verb, verb != &app, error, argc, argv).c_str());
  std::fprintf(stderr, "Try: strop %s%s--help\n", verb == &app ? "" : verb->get_name().c_str(),
               verb == &app ? "" : " ");
  return usage;
}

int main_body(int argc, char** argv) {
  CLI::App app{kDescription, "strop"};
  app.formatter(std::make_shared<HelpFormatter>());
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string(version()));
  int code = all_passed;
  const CLI::App* const run = add_run_verb(app, code);
  add_stage_verbs(app, code);
  add_report_verb(app, code);
  add_store_verb(app, code);
  add_backends_verb(app, code);
  add_toolchain_verb(app, code);
  add_verify_verb(app, code);
  add_reference_verbs(app);
  app.footer(kFooter);  // now, or verbs without a footer would have it too

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
