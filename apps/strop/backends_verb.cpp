// strop backends: every worker that is installed.
#include <iostream>
#include <memory>

#include "console.h"
#include "strop/run.h"
#include "verbs.h"

namespace strop::cli {
namespace {

int backends_verb(bool confine) {
  for (const BackendInfo& info : backends(confine)) {
    std::cout << info.name << (info.version.empty() ? "" : " " + info.version) << ": "
              << (info.unavailable_reason.empty() ? "can run here"
                                                  : "cannot run here: " + info.unavailable_reason)
              << "\n";
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
