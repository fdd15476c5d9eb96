// strop store: looking after the artifacts that runs have made.
#include <unistd.h>

#include <memory>

#include "checks.h"
#include "console.h"
#include "request.h"
#include "strop/store.h"
#include "verbs.h"
#include "watch.h"

namespace strop::cli {
namespace {

struct Invocation {
  RunRequest request;  // its store limit
  std::string action;
  bool json = false;
};

int verify(const Invocation& in) {
  const Interrupts interrupts;
  Watch watch(is_terminal(STDERR_FILENO));
  const auto check = store_verify(watch, interrupts.token());
  watch.clear();
  if (!check) return complain(check.error(), in.json);
  print(*check, in.json);
  return check->broken.empty() ? all_passed : could_not_finish;
}

template <class T>
int show(const Result<T>& result, bool json) {
  if (!result) return complain(result.error(), json);
  print(*result, json);
  return all_passed;
}

int store_verb(const Invocation& in) {
  if (in.action == "verify") return verify(in);
  if (in.action == "gc") return show(store_gc(in.request.store_limit_bytes), in.json);
  return show(store_list(in.request.store_limit_bytes), in.json);
}

}  // namespace

void add_store_verb(CLI::App& program, int& code) {
  CLI::App* verb = program.add_subcommand(
      "store", "The artifacts that runs have made: list them, check them, make room");
  const auto in = std::make_shared<Invocation>();
  verb->add_option("ACTION", in->action,
                   "list: what is there, its size, its last use, how many runs need it\n"
                   "verify: compare every file with its digest; what is broken is set aside\n"
                   "gc: remove what no run folder needs, least recently used first; with a limit,\n"
                   "only as much as brings the store below it")
      ->required()
      ->check(one_of({"list", "verify", "gc"}))
      ->type_name("");
  add_store_limit(*verb, in->request);
  verb->add_flag("--json", in->json, "JSON on stdout");
  verb->footer(
      "Example:\n  strop store gc --store-limit 20GB\nThe store lies where STROP_STORE says, else "
      "in "
      "the user's cache folder. All of it is safe while runs go\non: what they use is left alone. "
      "verify ends with exit code 1 when something is broken.");
  verb->callback([&code, in] { code = store_verb(*in); });
}

}  // namespace strop::cli
