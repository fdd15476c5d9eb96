// strop measure: the artifacts of a report, two things against each other, or one under load.
#include <unistd.h>

#include <array>
#include <iostream>
#include <memory>

#include "checks.h"
#include "console.h"
#include "request.h"
#include "stage_verbs.h"
#include "strop/json.h"
#include "strop/measure.h"
#include "verbs.h"
#include "watch.h"

namespace strop::cli {
namespace {

constexpr const char* kFooter =
    "Two artifacts take turns (A B A', A' B A, ...), each in a fresh process, and A' is A again: "
    "the\n"
    "control. A difference counts when the whole 95 % interval lies beyond 1 and the control is "
    "at\n"
    "least three times as narrow; none is found when the whole interval lies within the margin.\n"
    "Both read the same token ids, and their predictions are compared token by token; models that\n"
    "take tensors get the same samples (--data, docs/data.md). Of two runs the trials with the "
    "same\n"
    "framework, recipe and run options are compared, times by their ratio to each run's own\n"
    "baseline: the runs themselves were not interleaved.\n"
    "\n"
    "An artifact is a file, a folder, or an id of the store as report.json has it. ENGINE:PATH "
    "runs\n"
    "it with another engine, so that one file can be compared in two.\n"
    "\n"
    "Examples:\n"
    "  strop measure q8_0.gguf q4_k_m.gguf              which is faster, and how far apart they "
    "are\n"
    "  strop measure out-monday out-tuesday --json      did anything get worse?\n"
    "  strop measure q4_k_m.gguf --load --streams 1,4   throughput, latency under Poisson "
    "arrivals\n"
    "  strop measure o.json -o out                      the artifacts that strop optimize made\n"
    "\n"
    "Exit codes of a comparison: 0 the second is nowhere worse; 3 it is worse in at least one\n"
    "metric; 4 nothing is worse, but a metric cannot be told (a longer --budget may). 2 usage; 1\n"
    "could not finish.";

struct Invocation : StageInvocation {
  std::string second;
  double margin = 0.05;
  bool load = false;
  LoadRequest traffic;
};

int code_of(Finding finding) {
  if (finding == Finding::worse) return gate_not_passed;
  return finding == Finding::undecided || finding == Finding::not_measured ? cannot_tell
                                                                           : all_passed;
}

template <class T>
void show(const T& value, bool json) {
  const Style style = style_of_stdout();
  std::cout << (json ? to_json(value) + "\n" : to_terminal(value, style.width, style.unicode));
}

int compare(const Invocation& in, Watch& watch, std::stop_token stop) {
  const auto found = contrast(in.input, in.second, in.margin, in.request, watch, stop);
  watch.clear();
  if (!found) return complain(found.error(), in.json);
  show(*found, in.json);
  return code_of(found->overall);
}

int put_under_load(const Invocation& in, Watch& watch, std::stop_token stop) {
  const auto outcome = measure_load(in.input, in.traffic, in.request, watch, stop);
  watch.clear();
  if (!outcome) return complain(outcome.error(), in.json);
  show(*outcome, in.json);
  return all_passed;
}

Error usage_error(const std::string& message, const std::string& hint,
                  const std::string& field = "INPUT") {
  return {.code = ErrorCode::invalid_input, .message = message, .hint = hint, .field = field};
}

struct OwnFlag {
  const char* name;
  bool applies;
};

// A flag of another way to measure is refused, not dropped.
Result<void> check_flags(const Invocation& in) {
  const bool compares = !in.second.empty();
  const std::array own{OwnFlag{"--out", !compares}, OwnFlag{"--margin", compares},
                       OwnFlag{"--streams", in.load}, OwnFlag{"--prompts", in.load},
                       OwnFlag{"--rate", in.load}};
  for (const OwnFlag& flag : own) {
    if (flag.applies || in.verb->count(flag.name) == 0) continue;
    return usage_error(str(flag.name, " cannot be given with ",
                           in.load    ? "--load"
                           : compares ? "two to compare"
                                      : "a report"),
                       "Leave it out; strop measure --help says what it is for.", flag.name);
  }
  return {};
}

int measure_verb(Invocation& in) {
  if (in.load && !in.second.empty())
    return complain(usage_error("--load takes one artifact", "Leave out B, or --load."), in.json);
  if (auto fine = check_flags(in); !fine) return complain(fine.error(), in.json);
  if (!in.load && in.second.empty()) {
    if (in.request.out.empty())
      return complain(usage_error("-o is required for a report",
                                  "strop measure o.json -o out; strop measure A B compares two; "
                                  "strop measure A --load puts one under load."),
                      in.json);
    return stage_verb(in, Stage::measure);
  }
  if (auto fine = check(in.request); !fine) return complain(fine.error(), in.json);
  Interrupts interrupts;
  Watch watch(is_terminal(STDERR_FILENO));
  return in.load ? put_under_load(in, watch, interrupts.token())
                 : compare(in, watch, interrupts.token());
}

}  // namespace

void add_measure_verb(CLI::App& program, int& code) {
  CLI::App* verb = program.add_subcommand(
      "measure", "Measure a report's artifacts, compare two artifacts or runs, or load one");
  const auto in = std::make_shared<Invocation>();
  in->verb = verb;
  verb->add_option("INPUT", in->input,
                   "JSON of strop optimize (- for standard input), or the first to compare: an "
                   "artifact, a run folder")
      ->required();
  verb->add_option("B", in->second, "What the first is compared with");
  add_out_flag(*verb, in->request, false);
  verb->add_option("--margin", in->margin, "Differences up to this share do not count")
      ->type_name("SHARE")
      ->check(number_within(0.001, 1))
      ->capture_default_str();
  verb->add_flag("--load", in->load, "Put the artifact under load: closed loop, then Poisson");
  verb->add_option("--streams", in->traffic.streams, "Concurrent sequences of the closed loop")
      ->type_name("N,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(whole_number(1, 64))
      ->capture_default_str();
  verb->add_option("--prompts", in->traffic.prompts, "Prompt lengths for the time to first token")
      ->type_name("N,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(whole_number(1, 1 << 20))
      ->capture_default_str();
  verb->add_option("--rate", in->traffic.rate,
                   "Requests per second of the open loop; default 70 % of the closed loop's best")
      ->type_name("R")
      ->check(above_zero());
  verb->add_flag("--json", in->json, "JSON on stdout even at a terminal");
  add_measure_flags(*verb, in->request);
  verb->footer(kFooter);
  verb->callback([&code, in] { code = measure_verb(*in); });
}

}  // namespace strop::cli
