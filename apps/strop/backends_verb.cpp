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

int backends_verb(bool confine, bool json) {
  const std::vector<BackendInfo> all = backends(confine);
  if (json) {
    std::cout << to_json(all) << "\n";
    return all_passed;
  }
  for (const BackendInfo& info : all) {
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
  const auto json = std::make_shared<bool>(false);
  verb->add_flag("!--no-confine", *confine, "Ask them without confinement");
  verb->add_flag("--json", *json, "JSON: name, version, devices, notes, and why one cannot run");
  verb->callback([&code, confine, json] { code = backends_verb(*confine, *json); });
}

}  // namespace strop::cli
