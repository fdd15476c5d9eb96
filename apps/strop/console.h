// What every verb does with the terminal: exit codes, errors, Ctrl-C, tables.
#pragma once

#include <signal.h>

#include <cstddef>
#include <iostream>
#include <stop_token>
#include <string>
#include <string_view>

#include "strop/json.h"
#include "strop/report.h"
#include "strop/result.h"

namespace strop::cli {

enum ExitCode {
  all_passed = 0,
  could_not_finish = 1,
  usage = 2,
  gate_not_passed = 3,
  not_repeated = 4,  // run --locked: something changed
  cannot_tell = 4,   // measure A B: too noisy
  interrupted = 130
};

// Of the verbs that judge, for their --help.
inline constexpr const char* kVerdictCodes =
    "Exit codes: 0 every required gate passes; 3 a required gate fails or is not\n"
    "measured; 2 usage; 1 could not finish";

// Prints the error, as JSON on stdout too when asked, and gives the exit code it means.
int complain(Error error, bool json);

// Names of models, files and tensors reach the terminal: without what would move its cursor, change
// its settings or turn the direction of its text.
std::string printable(std::string_view text);

// The message without the "[stage] " before it: people know what they asked for.
std::string untagged(const std::string& message);

// The error of what the command line names as `name`: that it is not there is then a matter of
// usage.
Error of_argument(Error error, const std::string& name);

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

struct Style {
  std::size_t width;
  bool colour, unicode;
};
Style style_of_stdout();

// A value as its table on stdout, or as JSON.
template <class T>
void print(const T& value, bool json) {
  const Style style = style_of_stdout();
  std::cout << (json ? to_json(value) + "\n"
                     : to_terminal(value, style.width, style.colour, style.unicode))
            << std::flush;
}

// The report in a file, or on standard input when the path is "-". `hint` says what to give instead
// of what is none.
Result<Report> read_report(const std::string& path, const std::string& hint);

// 0 when every required gate of the recommended artifact passes, else 3.
int verdict_code(const Report& report);

}  // namespace strop::cli
