#include "core/worker_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace strop {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kLastWords = std::size_t{8} * 1024;
constexpr std::chrono::milliseconds kCancelGrace{2000};

// How long one call may still take.
class Patience {
 public:
  explicit Patience(const WorkerProcess::Call& call)
      : call_(call), deadline_(Clock::now() + call.timeout) {}

  void renew() { deadline_ = Clock::now() + call_.timeout; }
  bool cancelled() {
    if (!cancelled_ && call_.stop.stop_requested()) cancelled_ = Clock::now();
    return cancelled_.has_value();
  }
  bool over() {
    const auto now = Clock::now();
    return now > deadline_ || (cancelled() && now - *cancelled_ > kCancelGrace);
  }

 private:
  const WorkerProcess::Call& call_;
  Clock::time_point deadline_;
  std::optional<Clock::time_point> cancelled_;
};

// The last lines, as one line, without control characters.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n')
      c = '|';
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      c = ' ';
  }
  while (!text.empty() && (text.back() == '|' || text.back() == ' ')) text.pop_back();
  constexpr std::size_t kShown = 400;
  return text.size() <= kShown ? text : "..." + text.substr(text.size() - kShown);
}

}  // namespace

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::start(Options options) {
  if (::access(options.program.c_str(), X_OK) != 0) {
    return Error{.code = ErrorCode::not_found,
                 .message = str("the worker program ", options.program.string(), " is missing"),
                 .hint = "Run 'strop backends' to see which workers are installed.",
                 .field = "worker",
                 .value = options.program.filename().string()};
  }
  std::array<int, 2> sockets{};
  std::array<int, 2> pipes{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) != 0)
    return file_error("connect to", options.program, errno);
  Descriptor ours(sockets[0]);
  Descriptor theirs(sockets[1]);
  if (::pipe2(pipes.data(), O_CLOEXEC) != 0)
    return file_error("make a pipe to", options.program, errno);
  Descriptor output(pipes[0]);
  Descriptor words(pipes[1]);
  ::fcntl(output.get(), F_SETFL, O_NONBLOCK);
  STROP_TRY(SharedBlock block, SharedBlock::create());
  STROP_TRY(const os::Child child, os::spawn({.program = options.program,
                                              .arguments = options.arguments,
                                              .socket = theirs.get(),
                                              .block = block.descriptor(),
                                              .output = words.get(),
                                              .confinement = options.confinement,
                                              .environment = options.environment}));
  theirs.reset();
  words.reset();
  std::unique_ptr<WorkerProcess> worker(new WorkerProcess(
      std::move(options), std::move(ours), std::move(output), std::move(block), child));
  STROP_TRY(const Json answer, worker->call("hello", encode(protocol::Hello{}),
                                            {.timeout = std::chrono::seconds(20)}));
  auto greeting = decode<protocol::Greeting>(answer, "the greeting");
  if (!greeting || greeting->protocol != protocol::kVersion) {
    return Error{.code = ErrorCode::backend,
                 .message = str("the worker ", worker->name_, " must speak protocol ",
                                protocol::kVersion, ", but answered ", shown(answer)),
                 .field = "protocol"};
  }
  worker->role_ = std::move(greeting->role);
  return worker;
}

WorkerProcess::WorkerProcess(Options options, Descriptor socket, Descriptor output,
                             SharedBlock block, os::Child child)
    : options_(std::move(options)),
      name_(options_.name.empty() ? options_.program.filename().string() : options_.name),
      socket_(std::move(socket)),
      output_(std::move(output)),
      block_(std::move(block)),
      child_(std::move(child)),
      reader_(socket_.get()),
      watcher_([this](std::stop_token stop) { watch(stop); }) {}

WorkerProcess::~WorkerProcess() {
  if (!gone_) (void)end({.code = ErrorCode::cancelled, .message = "closed"});
}

// Ends the worker and remembers why.
Error WorkerProcess::end(Error error) {
  os::kill_tree(child_.pid);
  watcher_.request_stop();
  if (watcher_.joinable()) watcher_.join();
  os::reap(child_.pid);
  if (child_.pid_fd >= 0) ::close(child_.pid_fd);
  gone_ = error;
  return error;
}

// The socket was closed: says whether the worker ran out of memory, was killed, crashed or left.
Error WorkerProcess::death() {
  // The end of the output may still be in the pipe, and the exit status not yet there.
  pollfd ended{.fd = child_.pid_fd, .events = POLLIN, .revents = 0};
  const bool left_by_itself = ::poll(&ended, 1, 1000) > 0;
  os::kill_tree(child_.pid);  // what it started may live on
  watcher_.request_stop();
  if (watcher_.joinable()) watcher_.join();
  read_output();
  const os::Exit exit = os::reap(child_.pid);
  if (child_.pid_fd >= 0) ::close(child_.pid_fd);
  const std::string words = last_words();
  const std::string tail = words.empty() ? "" : str("; its last words: ", words);
  Error error{.code = ErrorCode::crashed, .field = "worker", .value = name_};
  if (over_limit_ || words.find("bad_alloc") != std::string::npos ||
      words.find("failed to allocate") != std::string::npos) {
    error.code = ErrorCode::out_of_memory;
    error.message =
        over_limit_ ? str(name_, " passed its memory limit of ",
                          options_.memory_limit_bytes.value_or(0) >> 20, " MiB and was ended", tail)
                    : str(name_, " could not get the memory it asked for", tail);
    error.hint = "Raise --max-worker-memory or choose a smaller recipe.";
  } else if (exit.signal == SIGKILL && left_by_itself) {
    error.code = ErrorCode::out_of_memory;
    error.message =
        str(name_, " was killed from outside, as the kernel does when memory runs out", tail);
    error.hint = "Check the kernel log for the OOM killer.";
  } else if (exit.signal != 0) {
    error.message = str(name_, " crashed with ", os::signal_name(exit.signal), tail);
  } else {
    error.message = str(name_, " left without an answer, exit code ", exit.status, tail);
  }
  gone_ = error;
  return error;
}

// Ends a worker that neither answered nor stopped in time.
Error WorkerProcess::lose_patience(const std::string& method, const Call& call, bool cancelled) {
  if (cancelled)
    return end(
        {.code = ErrorCode::cancelled, .message = str(method, " of ", name_, " was cancelled")});
  const std::string words = last_words();
  return end({.code = ErrorCode::timeout,
              .message = str(name_, " did not answer '", method, "' within ",
                             static_cast<double>(call.timeout.count()) / 1000.0, " s",
                             words.empty() ? "" : "; its last words: " + words),
              .field = "worker",
              .value = name_});
}

Result<Json> WorkerProcess::call(const std::string& method, Json params, const Call& call) {
  if (gone_) return *gone_;
  const std::uint64_t id = ++next_id_;
  Patience patience(call);
  const auto deliver = [&](const Json& message) {
    return send_message(socket_.get(), message, [&] { return patience.over(); });
  };
  if (auto sent = deliver({{"id", id}, {"method", method}, {"params", std::move(params)}}); !sent) {
    if (sent.error().code == ErrorCode::invalid_input) return std::move(sent).error();
    if (sent.error().code != ErrorCode::timeout) return death();
    return lose_patience(method, call, patience.cancelled());
  }
  bool told = false;
  while (true) {
    if (patience.cancelled() && !told) {
      told = true;
      (void)deliver({{"cancel", id}});
    }
    if (patience.over()) return lose_patience(method, call, patience.cancelled());
    Json message;
    auto state = reader_.poll(std::chrono::milliseconds(50), message);
    if (!state) {
      if (state.error().code == ErrorCode::io) return death();
      return end({.code = ErrorCode::corrupt,
                  .message = str(name_, " broke the protocol: ", state.error().message),
                  .field = "worker",
                  .value = name_});
    }
    if (*state == MessageReader::State::closed) return death();
    if (*state == MessageReader::State::nothing_yet) continue;
    if (message.is_object() && message.contains("progress")) {
      const auto& fraction = message["progress"];
      const auto what = message.find("what");
      patience.renew();
      if (call.progress && fraction.is_number())
        call.progress->report(fraction.get<double>(), what != message.end() && what->is_string()
                                                          ? what->get<std::string>()
                                                          : "");
      continue;
    }
    if (!message.is_object() || message.value("id", Json()) != Json(id) ||
        message.contains("result") == message.contains("error")) {
      return end({.code = ErrorCode::corrupt,
                  .message = str(name_, " broke the protocol: not an answer to request ", id),
                  .field = "worker",
                  .value = name_});
    }
    if (message.contains("error")) return error_from(message["error"], str("the error of ", name_));
    return std::move(message["result"]);
  }
}

void WorkerProcess::watch(std::stop_token stop) {
  auto next_sample = std::chrono::steady_clock::now();
  int output = output_.get();  // -1, which poll passes over, once the worker has closed it
  while (!stop.stop_requested()) {
    std::array<pollfd, 2> fds{{{.fd = output, .events = POLLIN, .revents = 0},
                               {.fd = child_.pid_fd, .events = POLLIN, .revents = 0}}};
    ::poll(fds.data(), fds.size(), static_cast<int>(options_.memory_interval.count()));
    if (fds[0].revents & POLLIN) read_output();
    if (fds[1].revents & POLLIN) return;
    if ((fds[0].revents & (POLLHUP | POLLIN)) == POLLHUP) output = -1;
    if (std::chrono::steady_clock::now() < next_sample) continue;
    next_sample = std::chrono::steady_clock::now() + options_.memory_interval;
    sample_memory();
  }
}

// A flood of output costs the worker time, never us memory: only the end is kept.
void WorkerProcess::read_output() {
  std::array<char, 4096> chunk{};
  for (int i = 0; i < 64; ++i) {
    const ssize_t got = ::read(output_.get(), chunk.data(), chunk.size());
    if (got <= 0) return;
    const std::lock_guard lock(mutex_);
    words_.append(chunk.data(), static_cast<std::size_t>(got));
    if (words_.size() > 2 * kLastWords) words_.erase(0, words_.size() - kLastWords);
  }
}

void WorkerProcess::sample_memory() {
  const auto memory = os::memory_of(child_.pid);
  if (!memory) return;
  bool over = false;
  {
    const std::lock_guard lock(mutex_);
    ++peak_.samples;
    if (memory->total() > peak_.at_peak.total()) peak_.at_peak = *memory;
    over = over_limit_ = over_limit_ || (options_.memory_limit_bytes &&
                                         memory->total() > *options_.memory_limit_bytes);
  }
  if (over) os::kill_tree(child_.pid);
}

std::string WorkerProcess::last_words() const {
  const std::lock_guard lock(mutex_);
  return one_line(words_);
}

MemoryPeak WorkerProcess::memory_peak() const {
  const std::lock_guard lock(mutex_);
  return peak_;
}

double WorkerProcess::cpu_seconds() const { return os::cpu_seconds_of(child_.pid); }

}  // namespace strop
