// The verbs of the command line, one file each. A verb adds its flags to the program and, when it
// is the one typed, leaves its exit code.
#pragma once

#include <CLI/CLI.hpp>

namespace strop::cli {

CLI::App* add_run_verb(CLI::App& program, int& code);
void add_stage_verbs(CLI::App& program,
                     int& code);  // assess, plan, optimize, measure, gate
void add_report_verb(CLI::App& program, int& code);
void add_store_verb(CLI::App& program, int& code);
void add_measure_verb(CLI::App& program, int& code);  // added in its place by the stages
void add_backends_verb(CLI::App& program, int& code);
void add_toolchain_verb(CLI::App& program, int& code);
void add_verify_verb(CLI::App& program, int& code);
void add_reference_verbs(CLI::App& program);  // schema, completion, man: they describe the program

}  // namespace strop::cli
