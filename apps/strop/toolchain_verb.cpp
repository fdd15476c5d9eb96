// strop toolchain: Python tools of the frameworks.
#include <unistd.h>

#include <array>
#include <iostream>
#include <memory>

#include "checks.h"
#include "console.h"
#include "strop/json.h"
#include "strop/toolchain.h"
#include "verbs.h"
#include "watch.h"

namespace strop::cli {
namespace {

struct Invocation {
  std::string action;
  std::string name;  // may be empty
  bool json = false;
};

std::string show_bytes(std::uint64_t bytes) { return str(bytes >> 20, " MiB"); }

void print_toolchain(const ToolchainInfo& info) {
  constexpr std::array kWords{"not installed", "installed", "broken"};
  std::cout << info.name << ": " << kWords.at(static_cast<std::size_t>(info.state))
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

int toolchain_verb(const Invocation& in) {
  const auto& [action, name, json] = in;
  if (name.empty() && (action == "list" || action == "check"))
    return every_toolchain(in, action == "check");
  if (name.empty() != (action == "list"))
    return complain({.code = ErrorCode::invalid_input,
                     .message = action == "list" ? "list takes no name"
                                                 : str(action, " needs the name of a toolchain"),
                     .hint = "Try: strop toolchain list",
                     .field = "NAME"},
                    json);
  Interrupts interrupts;
  Watch watch(is_terminal(STDERR_FILENO));
  const auto info = action == "install"  ? install_toolchain(name, watch, interrupts.token())
                    : action == "remove" ? remove_toolchain(name)
                                         : check_toolchain(name);
  watch.clear();
  if (!info) return complain(info.error(), json);
  if (json)
    std::cout << to_json(*info) << "\n";
  else
    print_toolchain(*info);
  return action == "check" && info->state != ToolchainState::installed ? could_not_finish
                                                                       : all_passed;
}

}  // namespace

void add_toolchain_verb(CLI::App& program, int& code) {
  CLI::App* verb = program.add_subcommand(
      "toolchain", "Python tools of the frameworks, each in an environment of its own");
  const auto in = std::make_shared<Invocation>();
  verb->add_option(
          "ACTION", in->action,
          "list: what there is, what is installed, what it takes\n"
          "install NAME: download it, pinned by hashes, or repair it; then it works offline\n"
          "check [NAME]: compare every file with what was installed\n"
          "remove NAME: free its disk space")
      ->required()
      ->check(one_of({"list", "install", "remove", "check"}))
      ->type_name("");
  verb->add_option("NAME", in->name, "Name of the toolchain, as strop toolchain list shows it")
      ->type_name("");
  verb->add_flag("--json", in->json, "JSON on stdout");
  verb->footer(
      "Example:\n  strop toolchain install nncf\nRecipes that need a toolchain which is not "
      "installed are listed as not tried; the rest of a run goes on.\nInstalls with uv when it is "
      "there, else with venv and pip, from the package index that these are set up for.\nRefused "
      "or broken: exit code 1. STROP_PYTHON names the Python to use.");
  verb->callback([&code, in] { code = toolchain_verb(*in); });
}

}  // namespace strop::cli
