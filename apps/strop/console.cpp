#include "console.h"

#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string_view>
#include <thread>

#include "strop/json.h"
#include "strop/run.h"

namespace strop::cli {
namespace {

int exit_code_of(const Error& error) {
  if (error.code == ErrorCode::cancelled) return interrupted;
  return error.code == ErrorCode::invalid_input ? usage : could_not_finish;
}

std::size_t table_width() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 80
             ? std::min<std::size_t>(size.ws_col, 100)
             : 100;
}

bool wants_colour() { return is_terminal(STDOUT_FILENO) && !std::getenv("NO_COLOR"); }

bool wants_unicode() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (const char* value = std::getenv(name); value && *value)
      return std::string_view(value).find("UTF-8") != std::string_view::npos;
  }
  return false;
}

}  // namespace

int complain(const Error& error, bool json) {
  if (json) std::cout << to_json(error) << "\n";
  std::fprintf(stderr, "strop: %s\n", error.message.c_str());
  if (!error.hint.empty()) std::fprintf(stderr, "%s\n", error.hint.c_str());
  return exit_code_of(error);
}

Interrupts::Interrupts() {
  ::sigemptyset(&signals_);
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&signals_, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  std::thread([this] {
    int signal = 0;
    ::sigwait(&signals_, &signal);
    source_.request_stop();
    ::sigwait(&signals_, &signal);
    ::_exit(interrupted);
  }).detach();
}

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

Style style_of_stdout() { return {table_width(), wants_colour(), wants_unicode()}; }

Result<Report> read_report(const std::string& path) {
  std::string text;
  if (path == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    std::ifstream file(path, std::ios::binary);
    if (!file)
      return Error{.code = ErrorCode::not_found,
                   .message = str("cannot read ", path),
                   .hint = "Give the JSON that the verb before printed.",
                   .field = "input",
                   .value = path};
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  return report_from_json(text);
}

int verdict_code(const Report& report) {
  if (!report.front || report.front->recommended_id.empty()) return gate_not_passed;
  for (const GateReport& gates : report.gates) {
    if (gates.trial_id == report.front->recommended_id)
      return gates.passed ? all_passed : gate_not_passed;
  }
  return gate_not_passed;
}

}  // namespace strop::cli
