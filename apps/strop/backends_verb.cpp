// strop backends: every worker that is installed.
#include <iostream>
#include <memory>
#include <string_view>

#include "console.h"
#include "strop/run.h"
#include "verbs.h"

namespace strop::cli {
namespace {

// Of a worker that runs no models, the beginning of what it does for those that do.
constexpr std::string_view kServes = "serves ";

std::string state_of(const BackendInfo& info) {
  const std::string& reason = info.unavailable_reason;
  if (reason.empty()) return "can run here";
  return reason.starts_with(kServes) ? str("ready (", reason, ")")
                                     : str("cannot run here: ", reason);
}

int backends_verb(bool confine) {
  for (const BackendInfo& info : backends(confine)) {
    std::cout << info.name << (info.version.empty() ? "" : " " + info.version) << ": "
              << state_of(info) << "\n";
    for (const Device& device : info.devices) std::cout << "  device " << device.name << "\n";
    for (const std::string& note : info.notes) std::cout << "  " << note << "\n";
  }
  return all_passed;
}

}  // namespace

void add_backends_verb(CLI::App& program, int& code) {
  CLI::App* verb =
      program.add_subcommand("backends", "Every engine's worker, and whether it can run here");
  const auto confine = std::make_shared<bool>(true);
  verb->add_flag("!--no-confine", *confine, "Ask them without confinement");
  verb->callback([&code, confine] { code = backends_verb(*confine); });
}

}  // namespace strop::cli
