// Verbs that describe the program and its formats.
#include <iostream>
#include <memory>

#include "checks.h"
#include "completion.h"
#include "strop/golden.h"
#include "strop/json.h"
#include "strop/lock_file.h"
#include "verbs.h"

namespace strop::cli {

void add_reference_verbs(CLI::App& program) {
  CLI::App* schema = program.add_subcommand(
      "schema",
      "JSON Schema of report.json, strop.lock.json, the worker protocol or golden records");
  const auto of = std::make_shared<std::string>("report");
  schema->add_option("OF", *of, "report, lock, protocol or golden")
      ->check(one_of({"report", "lock", "protocol", "golden"}))
      ->capture_default_str();
  schema->callback([of] {
    std::cout << (*of == "report"   ? report_schema()
                  : *of == "lock"   ? lock_file_schema()
                  : *of == "golden" ? golden_schema()
                                    : protocol_schema())
              << "\n";
  });

  CLI::App* complete = program.add_subcommand("completion", "Completion script for a shell");
  const auto shell = std::make_shared<std::string>();
  complete->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(one_of({"bash", "zsh", "fish"}));
  complete->callback([&program, shell] { std::cout << completion(program, *shell); });

  CLI::App* man = program.add_subcommand("man", "The manual page, as roff: strop man | man -l -");
  man->callback([&program] { std::cout << manual(program); });
}

}  // namespace strop::cli
