#include "child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "core/files.h"

extern char** environ;

namespace strop::llama_cpp {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxOutput = 64 << 10;

// The worker's socket and memory stay with the parent: only stdin, stdout and stderr are passed on.
Result<pid_t> spawn(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                    int output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);

  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t pid = -1;
  const int failed = posix_spawn(&pid, program.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    return Error{ErrorCode::io,
                 str("[llama_cpp] the self-test cannot be started: ", std::strerror(failed), ".")};
  }
  return pid;
}

// Reads until the child closes its end; false when the time is over first.
bool read_until(int fd, Clock::time_point deadline, std::string& output) {
  std::array<char, 4096> buffer{};
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd ready{fd, POLLIN, 0};
    if (left.count() <= 0 || poll(&ready, 1, static_cast<int>(left.count())) == 0) return false;
    const auto bytes = read(fd, buffer.data(), buffer.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) return true;
    output.append(buffer.data(),
                  std::min(static_cast<std::size_t>(bytes), kMaxOutput - output.size()));
  }
}

}  // namespace

Result<ChildEnd> run_aside(const std::filesystem::path& program,
                           const std::vector<std::string>& arguments,
                           std::chrono::milliseconds timeout) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return Error{ErrorCode::io, "[llama_cpp] no pipe for the self-test."};
  const Descriptor reading(ends[0]);
  Descriptor writing(ends[1]);
  STROP_TRY(const pid_t pid, spawn(program, arguments, writing.get()));
  writing.reset();

  ChildEnd end;
  const bool in_time = read_until(reading.get(), Clock::now() + timeout, end.output);
  if (!in_time) kill(pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!in_time) {
    end.failure = str("it hangs: no end within ", timeout.count() / 1000, " s");
  } else if (WIFSIGNALED(status)) {
    end.failure = str("it crashes: ", strsignal(WTERMSIG(status)));
  }
  return end;
}

}  // namespace strop::llama_cpp
