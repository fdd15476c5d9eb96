// A worker that misbehaves as it is told: a recipe's name (for build) or the run option "fault"
// (for open and later calls) says how. Tests show that each fault ends as an Error with its cause
// and touches nothing else.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <thread>

#include "core/message.h"
#include "strop/worker.h"

namespace strop {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kVocabulary = 64;
constexpr int kForeignDescriptor = 177;  // that tests leave open in the main program

// Faults that any call may show; returns when the name is not one of them.
void misbehave(const std::string& fault) {
  if (fault == "crash") {
    std::fprintf(stderr, "about to dereference null\n");
    ::signal(SIGSEGV, SIG_DFL);  // a sanitizer would turn it into a long report
    ::raise(SIGSEGV);
  }
  if (fault == "abort") {
    std::fprintf(stderr, "GGML_ASSERT(tensor != nullptr) failed\n");
    std::abort();
  }
  if (fault == "exit") ::_exit(7);
  if (fault == "throw") throw std::runtime_error("an exception of the engine");
  if (fault == "hang") {
    while (true) std::this_thread::sleep_for(1h);
  }
  if (fault == "spin") {
    volatile bool forever = true;
    while (forever) {
    }
  }
  if (fault == "leak") {
    for (std::size_t i = 0; i < 4096; ++i) {
      constexpr std::size_t kChunk = 16u << 20;
      void* chunk =
          ::mmap(nullptr, kChunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (chunk == MAP_FAILED) throw std::bad_alloc();
      std::memset(chunk, 1, kChunk);
      std::this_thread::sleep_for(2ms);
    }
  }
  if (fault == "flood_output") {
    for (int i = 0; i < 200'000; ++i)
      std::fprintf(stderr, "line %d of a flood of words that nobody reads\n", i);
    ::_exit(9);
  }
  if (fault == "flood_messages") {
    const std::string frame = std::string("\x10\0\0\0", 4) + "{\"progress\":0.5}";
    for (int i = 0; i < 50'000; ++i) {
      if (::send(kWorkerSocket, frame.data(), frame.size(), MSG_NOSIGNAL) < 0) ::_exit(0);
    }
  }
  if (fault == "garbage") {
    const char bytes[] = "\x05\0\0\0{]no!";
    (void)!::write(kWorkerSocket, bytes, sizeof bytes - 1);
    std::this_thread::sleep_for(1h);
  }
  if (fault == "huge_message") {
    const char bytes[] = "\xff\xff\xff\x7f";
    (void)!::write(kWorkerSocket, bytes, 4);
    std::this_thread::sleep_for(1h);
  }
  if (fault == "wrong_id") {
    (void)send_message(kWorkerSocket, {{"id", 987654}, {"result", nullptr}});
    std::this_thread::sleep_for(1h);
  }
  if (fault == "truncated_message") {
    const char bytes[] = "\x40\0\0\0{";
    (void)!::write(kWorkerSocket, bytes, 5);
    ::_exit(0);
  }
}

std::string outcome(bool denied) { return denied ? "denied" : "ALLOWED"; }

// The exit code of a child that does only this.
int in_child(int (*work)()) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool cannot_change_mode(const std::filesystem::path& path) {
  struct stat before {};
  struct stat after {};
  ::stat(path.c_str(), &before);
  ::chmod(path.c_str(), before.st_mode ^ S_IXOTH);
  ::stat(path.c_str(), &after);
  return before.st_mode == after.st_mode;
}

// A child that goes on when its parent is gone, and holds a lock as long as it does.
void leave_child(const std::filesystem::path& folder) {
  const int lock = ::open((folder / "alive").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ::flock(lock, LOCK_EX);
  if (::fork() != 0) ::_exit(7);
  ::setsid();
  ::close(kWorkerSocket);
  ::sleep(60);
  ::_exit(0);
}

// What a hostile model's code would try. Each line: attempt=denied or attempt=ALLOWED.
std::vector<std::string> escape_attempts(const Workspace& workspace) {
  std::vector<std::string> lines;
  const auto tried = [&](const char* what, bool denied) {
    lines.push_back(std::string(what) + "=" + outcome(denied));
  };
  const auto cannot_open = [](const char* path, int flags) {
    const int fd = ::open(path, flags, 0600);
    if (fd >= 0) ::close(fd);
    return fd < 0;
  };
  tried("read_passwd", cannot_open("/etc/passwd", O_RDONLY));
  tried("read_home", cannot_open("/root", O_RDONLY | O_DIRECTORY) &&
                         cannot_open("/home", O_RDONLY | O_DIRECTORY));
  tried("write_tmp", cannot_open("/tmp/strop-escape", O_WRONLY | O_CREAT));
  tried("write_beside_workspace",
        cannot_open((workspace.dir.parent_path() / "escape").c_str(), O_WRONLY | O_CREAT));
  tried("tcp_socket", ::socket(AF_INET, SOCK_STREAM, 0) < 0);
  tried("udp_socket", ::socket(AF_INET, SOCK_DGRAM, 0) < 0);
  tried("unix_socket", ::socket(AF_UNIX, SOCK_STREAM, 0) < 0);
  tried("ptrace_parent", ::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr) < 0);
  tried("read_parent_memory", cannot_open(str("/proc/", ::getppid(), "/mem").c_str(), O_RDONLY));
  tried("mount", ::syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, nullptr) < 0);
  tried("unshare", ::syscall(SYS_unshare, 0x10000000) < 0);
  tried("io_uring", ::syscall(SYS_io_uring_setup, 1, nullptr) < 0 && errno == EPERM);
  tried("keyctl", ::syscall(SYS_keyctl, 0, 0) < 0 && errno == EPERM);
  tried("bpf", ::syscall(SYS_bpf, 0, nullptr, 0) < 0 && errno == EPERM);
  const std::filesystem::path beside = workspace.dir.parent_path();
  tried("chmod", cannot_change_mode(beside));
  tried("chown", ::chown(beside.c_str(), ::getuid(), ::getgid()) < 0 && errno == EPERM);
  tried("setxattr",
        ::syscall(SYS_setxattr, beside.c_str(), "user.strop", "x", 1, 0) < 0 && errno == EPERM);
  const long cloned = ::syscall(SYS_clone, static_cast<long>(CLONE_NEWUSER | SIGCHLD), nullptr,
                                nullptr, nullptr, nullptr);
  if (cloned == 0) ::_exit(0);
  tried("user_namespace", cloned < 0 && errno == EPERM);
  tried("clone3", ::syscall(SYS_clone3, nullptr, 0) < 0 && errno == ENOSYS);
  rlimit limit{};
  tried("limits_of_parent",
        ::prlimit(::getppid(), RLIMIT_NOFILE, nullptr, &limit) < 0 && errno == EPERM);
  tried("inherited_descriptor", ::fcntl(kForeignDescriptor, F_GETFD) < 0);
  tried("new_session", in_child([] { return ::setsid() < 0 ? 42 : 0; }) == 42);
  tried("new_group", in_child([] { return ::setpgid(0, 0) < 0 ? 42 : 0; }) == 42);
  tried("exec_shell", in_child([] {
                        ::execl("/bin/sh", "sh", "-c", "true", static_cast<char*>(nullptr));
                        return 42;
                      }) == 42);
  const bool can_write_own = !cannot_open((workspace.dir / "own").c_str(), O_WRONLY | O_CREAT);
  lines.push_back(std::string("write_own_workspace=") + (can_write_own ? "works" : "BROKEN"));
  return lines;
}

class FaultDecoder : public DecoderSession {
 public:
  FaultDecoder(std::string fault, std::uint32_t vocabulary) : fault_(std::move(fault)) {
    info_.vocabulary_size = vocabulary;
    info_.context_length = 4096;
    info_.run_options = {{"fault", fault_}};
    info_.cpu_variant = "none";
  }
  const SessionInfo& info() const override { return info_; }
  void note(std::string text) { info_.notes.push_back(std::move(text)); }

  Result<void> evaluate(SequenceId, std::span<const TokenId> ids,
                        std::span<const std::uint32_t> wanted, const RowSink& sink) override {
    misbehave(stage_fault("evaluate"));
    std::vector<float> row(info_.vocabulary_size);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (fault_ == "too_few_rows" && i + 1 == wanted.size()) break;
      for (std::size_t t = 0; t < row.size(); ++t)
        row[t] = static_cast<float>((t * 7 + static_cast<std::size_t>(ids[wanted[i]])) % 13);
      if (fault_ == "nan_logits") row[3] = std::numeric_limits<float>::quiet_NaN();
      if (fault_ == "zero_logits") std::fill(row.begin(), row.end(), 0.0f);
      STROP_CHECK(sink({i, row.size(), row}));
    }
    return {};
  }
  Result<void> truncate(SequenceId, std::uint32_t) override { return {}; }
  Result<void> fork(SequenceId, SequenceId) override { return {}; }
  Result<Generation> generate(SequenceId, std::span<const TokenId>, std::uint32_t count,
                              std::stop_token stop) override {
    misbehave(stage_fault("generate"));
    if (fault_ == "wait_for_stop") {
      while (!stop.stop_requested()) std::this_thread::sleep_for(1ms);
      return Error{.code = ErrorCode::cancelled, .message = "stopped as asked"};
    }
    Generation generation;
    for (std::uint32_t i = 0; i < count; ++i) {
      std::this_thread::sleep_for(100us);
      generation.ids.push_back(fault_ == "foreign_ids" ? 1'000'000
                                                       : static_cast<TokenId>(i % kVocabulary));
      generation.seconds.push_back(fault_ == "time_backwards" ? 1.0 - 0.001 * i
                                   : fault_ == "no_time"      ? 1e-320
                                   : fault_ == "time_stands"  ? 0.0001
                                   : fault_ == "long_time"    ? 3600.0 * (i + 1)
                                                              : 0.0001 * (i + 1));
    }
    return generation;
  }

 private:
  // "evaluate:crash" crashes in evaluate only.
  std::string stage_fault(std::string_view call) const {
    const std::string prefix = std::string(call) + ":";
    return fault_.starts_with(prefix) ? fault_.substr(prefix.size()) : "";
  }
  std::string fault_;
  SessionInfo info_;
};

// Gives its inputs back, doubled when they are f32.
class EchoTensors : public TensorSession {
 public:
  const SessionInfo& info() const override { return info_; }
  explicit EchoTensors(double seconds) : seconds_(seconds) {}
  Result<Inference> infer(std::span<const Tensor> inputs) override {
    std::vector<Tensor> outputs(inputs.begin(), inputs.end());
    for (Tensor& tensor : outputs) {
      if (tensor.type != ElementType::f32) continue;
      for (std::size_t i = 0; i + sizeof(float) <= tensor.data.size(); i += sizeof(float)) {
        float value = 0;
        std::memcpy(&value, tensor.data.data() + i, sizeof value);
        value *= 2;
        std::memcpy(tensor.data.data() + i, &value, sizeof value);
      }
    }
    return Inference{std::move(outputs), seconds_};
  }

 private:
  double seconds_;
  SessionInfo info_;
};

class FaultBackend : public Backend {
 public:
  BackendInfo info() const override {
    return {.name = "fault", .version = "1", .devices = {}, .unavailable_reason = "", .notes = {}};
  }
  Fit assess(const Model&, const Target&) const override {
    return {.supported = true, .score = 0.01, .reasons = {"misbehaves as it is told"}};
  }
  RecipeSpace space(const Model&, const Target&) const override {
    RecipeSpace space;
    for (const char* fault : {"crash",
                              "abort",
                              "exit",
                              "throw",
                              "hang",
                              "leak",
                              "flood_output",
                              "garbage",
                              "huge_message",
                              "wrong_id",
                              "truncated_message",
                              "path_escape",
                              "open:crash",
                              "evaluate:crash",
                              "evaluate:hang",
                              "generate:crash",
                              "too_few_rows",
                              "nan_logits",
                              "zero_logits",
                              "foreign_ids",
                              "time_backwards"}) {
      Recipe recipe{.name = fault, .backend = "fault"};
      recipe.steps = {{.worker = "fault", .op = Operation::convert, .params = {{"fault", fault}}}};
      recipe.bits_per_weight = 4;
      recipe.note = "for tests";
      space.recipes.push_back(recipe);
    }
    space.run_presets = {{.name = "default", .options = {}, .note = ""}};
    return space;
  }

  Result<Artifact> build(const Model& model, const Recipe& recipe, std::size_t,
                         const Workspace& workspace) const override {
    misbehave(recipe.name);
    if (recipe.name == "orphan") leave_child(workspace.dir);
    if (recipe.name == "wait_for_stop") {
      while (!workspace.stop.stop_requested()) std::this_thread::sleep_for(1ms);
      return Error{.code = ErrorCode::cancelled, .message = "stopped as asked"};
    }
    if (recipe.name == "progress") {
      for (int i = 0; i < 10; ++i) workspace.progress->report(i / 10.0, "counting");
    }
    Artifact artifact{.format = "fault", .entry = "fault.txt", .files = {{.path = "fault.txt"}}};
    if (recipe.name == "escape") artifact.notes = escape_attempts(workspace);
    if (recipe.name == "path_escape") artifact.files.push_back({.path = "../../outside"});
    std::ofstream(workspace.dir / "fault.txt")
        << recipe.name << "\n"
        << model.vocabulary_size.value_or(kVocabulary) << "\n";
    return artifact;
  }

  Result<std::unique_ptr<Session>> open(const Artifact& artifact, const RunOptions& options,
                                        const Workspace&) const override {
    std::ifstream file(artifact.folder + "/" + artifact.entry);
    std::string fault;
    std::uint32_t vocabulary = kVocabulary;
    std::getline(file, fault);
    if (!(file >> vocabulary)) vocabulary = kVocabulary;
    if (options.contains("fault")) fault = options.at("fault");
    if (fault == "tensors") return std::unique_ptr<Session>(std::make_unique<EchoTensors>(1e-6));
    if (fault == "tensors_in_no_time")
      return std::unique_ptr<Session>(std::make_unique<EchoTensors>(-1));
    if (fault == "tensors_at_once")
      return std::unique_ptr<Session>(std::make_unique<EchoTensors>(1e-320));
    if (fault == "tensors_too_long")
      return std::unique_ptr<Session>(std::make_unique<EchoTensors>(3600));
    if (fault.starts_with("open:")) misbehave(fault.substr(5));
    auto session = std::make_unique<FaultDecoder>(fault, vocabulary);
    if (fault == "look_around") {
      for (const char* name : {"fault.txt", "secret", "link"})
        session->note(str(name, "=", outcome(!std::ifstream(artifact.folder + "/" + name))));
    }
    return std::unique_ptr<Session>(std::move(session));
  }
};

}  // namespace
}  // namespace strop

int main(int argc, char** argv) { return strop::worker_main(argc, argv, strop::FaultBackend{}); }
