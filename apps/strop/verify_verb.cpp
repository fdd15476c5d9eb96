// strop verify: an artifact against the golden records beside it.
#include <unistd.h>

#include <array>
#include <iostream>
#include <memory>

#include "console.h"
#include "request.h"
#include "strop/run.h"
#include "verbs.h"
#include "watch.h"

namespace strop::cli {
namespace {

struct Invocation {
  RunRequest request;
  std::string folder;
  bool json = false;
};

void print(const GoldenReport& report) {
  constexpr std::array kWords{"ok", "DRIFT", "not checked", "not checked"};
  for (const GoldenCheck& check : report.checks)
    std::cout << kWords.at(static_cast<std::size_t>(check.verdict)) << ": " << check.what
              << (check.record.empty() ? "" : " (" + check.record + ")") << ": "
              << printable(check.reason) << "\n";
  std::cout << (report.passed ? "The artifact computes what it did when it passed.\n"
                              : "The artifact has drifted.\n");
}

int verify_verb(const Invocation& in) {
  Interrupts interrupts;
  Watch watch(is_terminal(STDERR_FILENO));
  const auto report = verify(in.folder, in.request, watch, interrupts.token());
  watch.clear();
  if (!report) {
    complain(report.error(), in.json);
    return report.error().code == ErrorCode::cancelled ? interrupted : could_not_finish;
  }
  if (in.json)
    std::cout << to_json(*report) << "\n";
  else
    print(*report);
  return report->passed ? all_passed : gate_not_passed;
}

}  // namespace

void add_verify_verb(CLI::App& program, int& code) {
  CLI::App* verb = program.add_subcommand(
      "verify", "Whether an artifact still computes what it did when it passed");
  const auto in = std::make_shared<Invocation>();
  verb->add_option("ARTIFACT_FOLDER", in->folder,
                   "An artifact's folder, with the golden records beside its files")
      ->required();
  add_worker_flags(*verb, in->request);
  verb->add_flag("--json", in->json, "The checks as JSON on stdout");
  verb->footer(
      "Example:\n  strop verify ./artifact\nOpens it through its framework on this machine and "
      "compares its tokenizer and its outputs\nwith the records beside it. Exit codes: 0 as "
      "recorded; 3 it has drifted; 1 it cannot be checked.");
  verb->callback([&code, in] { code = verify_verb(*in); });
}

}  // namespace strop::cli
