// What every verb does with the terminal: exit codes, errors, Ctrl-C, tables.
#pragma once

#include <signal.h>

#include <cstddef>
#include <stop_token>

#include "strop/report.h"
#include "strop/result.h"

namespace strop::cli {

enum ExitCode {
  all_passed = 0,
  could_not_finish = 1,
  usage = 2,
  gate_not_passed = 3,
  interrupted = 130
};

// Prints the error, as JSON on stdout too when asked, and gives the exit code it means.
int complain(const Error& error, bool json);

// Ctrl-C asks the run to stop at the next safe point; a second one ends the program at once.
class Interrupts {
 public:
  Interrupts();
  std::stop_token token() const { return source_.get_token(); }

 private:
  sigset_t signals_{};
  std::stop_source source_;
};

bool is_terminal(int fd);
void print_table(const Report& report);

// 0 when every required gate of the recommended artifact passes, else 3.
int verdict_code(const Report& report);

}  // namespace strop::cli
