#include "toolchain/command.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <deque>
#include <sstream>

#include "core/files.h"
#include "core/os.h"

namespace fs = std::filesystem;

namespace strop::toolchain {
namespace {

constexpr std::size_t kLinesKept = 6;
constexpr std::size_t kLongestLine = 2000;

// Whole lines out of pieces of output.
class Lines {
 public:
  explicit Lines(const std::function<void(std::string_view)>& each) : each_(each) {}

  void add(std::string_view piece) {
    for (const char c : piece) {
      if (c == '\n' || c == '\r')
        finish();
      else if (line_.size() < kLongestLine)
        line_ += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }

  void finish() {
    const auto text = line_.find_first_not_of(' ');
    if (text != std::string::npos) {
      if (kept_.empty()) first_ = line_.substr(text);
      kept_.push_back(line_.substr(text));
      if (kept_.size() > kLinesKept) kept_.pop_front();
      if (each_) each_(kept_.back());
    }
    line_.clear();
  }

  std::string last() const {
    std::string text;
    for (const std::string& line : kept_) text += str(text.empty() ? "" : " | ", line);
    return text;
  }
  const std::string& first() const { return first_; }

 private:
  const std::function<void(std::string_view)>& each_;
  std::string line_;
  std::string first_;
  std::deque<std::string> kept_;
};

}  // namespace

Result<Finished> run(const Command& command, std::stop_token stop,
                     const std::function<void(std::string_view)>& line) {
  std::array<int, 2> pipes{};
  if (::pipe2(pipes.data(), O_CLOEXEC) != 0) return file_error("start", command.program, errno);
  const Descriptor output(pipes[0]);
  Descriptor end(pipes[1]);
  os::Spawn spawn{.program = command.program,
                  .arguments = command.arguments,
                  .output = end.get(),
                  .confinement = {.enabled = false, .read = {}, .write = {}},
                  .environment = command.environment,
                  .whole_environment = true};
  STROP_TRY(const os::Child child, os::spawn(spawn));
  end.reset();
  const Descriptor pid_fd(child.pid_fd);
  Lines lines(line);
  bool stopped = false;
  while (true) {
    if (!stopped && stop.stop_requested()) {
      stopped = true;
      os::kill_tree(child.pid);
    }
    pollfd readable{.fd = output.get(), .events = POLLIN, .revents = 0};
    if (::poll(&readable, 1, 100) <= 0) continue;
    std::array<char, 4096> piece{};
    const ssize_t got = ::read(output.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;  // nobody writes any more
    lines.add({piece.data(), static_cast<std::size_t>(got)});
  }
  lines.finish();
  const os::Exit exit = os::reap(child.pid);
  if (stopped) return Error{.code = ErrorCode::cancelled, .message = "interrupted"};
  return Finished{.status = exit.signal != 0 ? 128 + exit.signal : exit.status,
                  .last_lines = lines.last(),
                  .first_line = lines.first()};
}

fs::path find_program(std::string_view name) {
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    fs::path program = fs::path(folder) / name;
    std::error_code error;
    if (!folder.empty() && fs::is_regular_file(program, error) &&
        ::access(program.c_str(), X_OK) == 0)
      return program;
  }
  return {};
}

}  // namespace strop::toolchain
