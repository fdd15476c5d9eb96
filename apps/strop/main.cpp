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
    "4 run --locked: a number changed or an input differs; 2 usage; 1 could not finish;\n"
    "130 interrupted (the same command goes on where it was).";

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
  app.formatter(std::make_shared<HelpFormatter>());
  app.footer(kFooter);
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
