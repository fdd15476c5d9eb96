#include "console.h"

#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <thread>

#include "strop/json.h"
#include "strop/run.h"

namespace strop::cli {
namespace {

// What the command line names: when it is not there, the command line is wrong.
constexpr std::array<std::string_view, 7> kArguments{"MODEL",  "ARTIFACT", "INPUT",   "RUN",
                                                     "target", "--config", "--locked"};
// What messages are tagged with; those of engines stay, they say who refused.
constexpr std::array kTags{"assess",  "plan", "optimize", "measure", "gate",  "report",
                           "formats", "run",  "rules",    "golden",  "store", "toolchain"};

int exit_code_of(const Error& error) {
  if (error.code == ErrorCode::cancelled) return interrupted;
  const bool absent =
      error.code == ErrorCode::not_found &&
      std::find(kArguments.begin(), kArguments.end(), error.field) != kArguments.end();
  return absent || error.code == ErrorCode::invalid_input ? usage : could_not_finish;
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

// What the library calls "the report" people know by the file's name.
Error of_file(Error error, const std::string& name, const std::string& hint) {
  constexpr std::string_view kLibrarysName = "the report";
  if (error.message.starts_with(kLibrarysName))
    error.message.replace(0, kLibrarysName.size(), name);
  if (error.hint.empty()) error.hint = hint;
  return error;
}

}  // namespace

int complain(Error error, bool json) {
  // Who asked for the stop knows why; what was cut short would have its own words for it.
  if (error.code == ErrorCode::cancelled) error.message = "interrupted";
  if (json) std::cout << to_json(error) << "\n";
  std::fprintf(stderr, "strop: %s\n", printable(untagged(error.message)).c_str());
  if (!error.hint.empty()) std::fprintf(stderr, "%s\n", printable(error.hint).c_str());
  return exit_code_of(error);
}

std::string printable(std::string_view text) {
  std::string shown;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = [&](std::size_t ahead) {
      return i + ahead < text.size() ? static_cast<unsigned char>(text[i + ahead]) : 0;
    };
    const bool c1 = byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) <= 0x9f;
    // U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069
    const bool turns =
        byte(0) == 0xe2 && ((byte(1) == 0x80 && (byte(2) == 0x8e || byte(2) == 0x8f ||
                                                 (byte(2) >= 0xaa && byte(2) <= 0xae))) ||
                            (byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9));
    const bool control = (byte(0) < 0x20 && byte(0) != '\n') || byte(0) == 0x7f;
    shown += control || c1 || turns ? ' ' : text[i];
    i += turns ? 2 : c1 ? 1 : 0;
  }
  return shown;
}

std::string untagged(const std::string& message) {
  for (const char* const word : kTags) {
    const std::string tag = str("[", word, "] ");
    if (message.starts_with(tag)) return message.substr(tag.size());
  }
  return message;
}

Error of_argument(Error error, const std::string& name) {
  if (error.code == ErrorCode::not_found) error.field = name;
  return error;
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

Result<Report> read_report(const std::string& path, const std::string& hint) {
  const bool piped = path == "-";
  std::string text;
  if (piped) {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    std::ifstream file(path, std::ios::binary);
    const int failure = errno;
    std::error_code error;
    const bool folder = std::filesystem::is_directory(path, error);
    if (!file || folder)
      return Error{.code = ErrorCode::not_found,
                   .message = str("cannot read ", path, ": ",
                                  folder ? "it is a folder" : std::strerror(failure)),
                   .hint = hint,
                   .field = "INPUT",
                   .value = path};
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  auto report = report_from_json(text);
  if (!report) return of_file(std::move(report).error(), piped ? "standard input" : path, hint);
  return report;
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
