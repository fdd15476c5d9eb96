// strop run: the whole pipeline.
#include <unistd.h>

#include <cstdio>
#include <iostream>
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
  std::string config;  // read before the flags are parsed, see with_config
  bool json = false;
  bool dry_run = false;
};

void show(const Report& report, bool json) {
  if (json)
    std::cout << to_json(report) << "\n";
  else
    print_table(report);
}

int dry_run(const Invocation& in, Watch& watch, std::stop_token stop) {
  auto report = advance(Stage::assess, {}, in.request, watch, stop);
  if (report) report = advance(Stage::plan, *std::move(report), in.request, watch, stop);
  watch.clear();
  if (!report) return complain(report.error(), in.json);
  show(*report, in.json);
  return all_passed;
}

int whole_run(const Invocation& in, Watch& watch, std::stop_token stop) {
  const auto report = run(in.request, watch, stop);
  watch.clear();
  if (!report) return complain(report.error(), in.json);
  show(*report, in.json);
  if (!in.json)
    std::printf("\nReport: %s/report.html (for people), %s/report.json (for programs)\n",
                in.request.out.c_str(), in.request.out.c_str());
  return verdict_code(*report);
}

int run_verb(const Invocation& in) {
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
                   "Model folder (Hugging Face) or file (GGUF, ONNX, OpenVINO IR)")
      ->required();
  add_out_flag(*verb, in->request, true);
  add_goal_flags(*verb, in->request);
  verb->add_option("--config", in->config, "Flags from a TOML or INI file; the command line wins")
      ->type_name("FILE");
  verb->add_flag("--dry-run", in->dry_run, "Assess and plan only: what would be done, and why");
  verb->add_flag("--json", in->json, "The report as JSON on stdout");
  verb->footer(
      "Example:\n  strop run ./SmolLM2-135M -o out --max-size 150MB --prefer speed\nThe same "
      "command goes on where an interrupted run was.");
  verb->callback([&code, in] { code = run_verb(*in); });
  return verb;
}

}  // namespace strop::cli
