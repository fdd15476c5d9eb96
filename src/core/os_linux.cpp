// Linux: workers start confined by Landlock, seccomp and resource limits as far as the kernel
// allows. Everything that allocates is prepared before fork; the child only makes system calls.
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <thread>

#include "core/files.h"
#include "core/os.h"

namespace fs = std::filesystem;

namespace strop::os {
namespace {

// Values of newer kernels than the headers we build with.
constexpr unsigned kFchmodat2 = 452, kSetxattrat = 463, kRemovexattrat = 466, kFileSetattr = 469;
constexpr unsigned kCloseOnExec = 1u << 2;  // of close_range
constexpr std::uint64_t kFsExecute = 1ull << 0, kFsWriteFile = 1ull << 1, kFsReadFile = 1ull << 2,
                        kFsReadDir = 1ull << 3;
constexpr std::uint64_t kFsAllAbi1 = (1ull << 13) - 1, kFsRefer = 1ull << 13,
                        kFsTruncate = 1ull << 14, kFsIoctl = 1ull << 15;
constexpr std::uint64_t kNetBindConnect = 3, kScopeSocketSignal = 3;
constexpr std::uint64_t kRightsOfFiles =
    kFsExecute | kFsWriteFile | kFsReadFile | kFsTruncate | kFsIoctl;

struct RulesetAttr {
  std::uint64_t fs = 0;
  std::uint64_t net = 0;
  std::uint64_t scoped = 0;
};

struct Ruleset {
  Descriptor fd;
  int abi = 0;
  std::uint64_t handled = 0;

  void allow(const fs::path& path, std::uint64_t rights) {
    Descriptor target(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!target) return;  // what does not exist needs no rule
    std::error_code error;
    if (!fs::is_directory(path, error)) rights &= kRightsOfFiles;
    landlock_path_beneath_attr rule{.allowed_access = rights & handled, .parent_fd = target.get()};
    ::syscall(SYS_landlock_add_rule, fd.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
  }
};

Ruleset landlock_rules(const Spawn& spawn) {
  Ruleset rules;
  const long abi =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) return rules;
  rules.abi = static_cast<int>(abi);
  rules.handled = kFsAllAbi1 | (abi >= 2 ? kFsRefer : 0) | (abi >= 3 ? kFsTruncate : 0) |
                  (abi >= 5 ? kFsIoctl : 0);
  const RulesetAttr attr{.fs = rules.handled,
                         .net = abi >= 4 ? kNetBindConnect : 0,
                         .scoped = abi >= 6 ? kScopeSocketSignal : 0};
  const std::size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
  rules.fd.reset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attr, size, 0)));
  if (!rules.fd) return rules;
  constexpr std::uint64_t kRead = kFsReadFile | kFsReadDir;
  // The system's libraries, and what run times ask about processor and memory.
  for (const char* path :
       {"/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache",
        "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/proc/cpuinfo", "/proc/meminfo",
        "/proc/stat", "/proc/sys/vm", "/sys/devices/system", "/sys/fs/cgroup", "/dev/urandom",
        "/dev/random", "/dev/zero"}) {
    rules.allow(path, kRead);
  }
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  rules.allow("/proc", kRead);  // the sanitizer looks up its own stack there
#endif
  rules.allow("/dev/null", kRead | kFsWriteFile);
  for (const char* loader : {"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"})
    rules.allow(loader, kRead | kFsExecute);
  // The program itself and the engines beside it: PREFIX/libexec/strop/worker uses PREFIX/lib; in a
  // build tree the engines' SDKs lie in the folder sdk beside PREFIX.
  const fs::path prefix = spawn.program.parent_path().parent_path().parent_path();
  rules.allow(spawn.program.parent_path(), kRead | kFsExecute);
  rules.allow(prefix / "lib", kRead);
  rules.allow(prefix / "share" / "strop", kRead);
  rules.allow(prefix.parent_path() / "sdk", kRead);
  for (const fs::path& path : spawn.confinement.read) rules.allow(path, kRead);
  for (const fs::path& path : spawn.confinement.execute) rules.allow(path, kRead | kFsExecute);
  for (const fs::path& path : spawn.confinement.write)
    rules.allow(path, rules.handled & ~kFsExecute);
  return rules;
}

// Deny list: what an engine never needs, and what Landlock does not decide.
constexpr auto kDeniedCalls = std::to_array<unsigned>(
    {SYS_socket, SYS_socketpair, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4,
     SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_mount, SYS_umount2, SYS_unshare,
     SYS_setns, SYS_pivot_root, SYS_chroot, SYS_bpf, SYS_perf_event_open, SYS_userfaultfd,
     SYS_keyctl, SYS_add_key, SYS_request_key, SYS_io_uring_setup, SYS_io_uring_enter,
     SYS_io_uring_register, SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_init_module,
     SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_reboot, SYS_swapon, SYS_swapoff,
     SYS_sethostname, SYS_settimeofday, SYS_clock_settime, SYS_acct, SYS_quotactl, SYS_pidfd_getfd,
     SYS_fsopen, SYS_fsmount, SYS_move_mount, SYS_open_tree, SYS_mount_setattr,
#ifdef SYS_chown
     SYS_chown, SYS_lchown,
#endif
     SYS_fchownat, SYS_setxattr, SYS_lsetxattr, SYS_removexattr, SYS_lremovexattr, kSetxattrat,
     kRemovexattrat, kFileSetattr,
     // A worker is ended by its process group.
     SYS_setsid, SYS_setpgid});

// Landlock does not decide about modes. Programs that copy a file set its mode afterwards, and must
// not fail there: such a call is answered as done, and nothing is.
constexpr auto kIgnoredCalls = std::to_array<unsigned>({
#ifdef SYS_chmod
    SYS_chmod,
#endif
    SYS_fchmodat, kFchmodat2});

// Flags of clone that make namespaces, where a process may be what it is not outside.
constexpr std::uint32_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                      CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr std::uint32_t kAnyBit = 0xffffffffu;

#if defined(__x86_64__)
constexpr unsigned kAuditArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kAuditArch = AUDIT_ARCH_AARCH64;
#endif

std::vector<sock_filter> seccomp_filter() {
  std::vector<sock_filter> code;
  const auto load = [&](std::uint32_t offset) {
    code.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset));
  };
  const auto answer = [&](std::uint32_t value) {
    code.push_back(BPF_STMT(BPF_RET | BPF_K, value));
  };
  load(offsetof(seccomp_data, arch));
  code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kAuditArch, 1, 0));
  answer(SECCOMP_RET_KILL_PROCESS);  // another call convention would pass the list below
  load(offsetof(seccomp_data, nr));
#if defined(__x86_64__)
  code.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1));
  answer(SECCOMP_RET_KILL_PROCESS);  // x32
#endif
  const auto answer_to = [&](unsigned call, std::uint32_t value) {
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
    answer(value);
  };
  // Denied where the low half of the first argument has one of the bits.
  const auto deny_with = [&](unsigned call, std::uint32_t bits) {
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 4));
    load(offsetof(seccomp_data, args));
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1));
    answer(SECCOMP_RET_ERRNO | EPERM);
    answer(SECCOMP_RET_ALLOW);
  };
  for (unsigned call : kDeniedCalls) answer_to(call, SECCOMP_RET_ERRNO | EPERM);
  for (unsigned call : kIgnoredCalls) answer_to(call, SECCOMP_RET_ERRNO);
  // Its flags lie in memory that no filter sees; the C library goes on with clone.
  answer_to(SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS);
  deny_with(SYS_clone, kNamespaces);
  deny_with(SYS_prlimit64, kAnyBit);  // limits of another process
  answer(SECCOMP_RET_ALLOW);
  return code;
}

// A descriptor of the parent that must not be one of the numbers we are about to assign.
int high_copy(int fd) { return fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, 64); }

struct Prepared {
  const char* program;
  char* const* arguments;
  char* const* environment;
  int socket, block, output, ruleset, report;
  const sock_fprog* filter;
};

// Steps that may fail on an older kernel; the parent learns which ones held.
enum Enforced : unsigned { no_new_privs = 1, landlock = 2, seccomp = 4, limits = 8 };

[[noreturn]] void child_main(const Prepared& p) {
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int signal : {SIGPIPE, SIGINT, SIGTERM}) ::signal(signal, SIG_DFL);
  const int null = ::open("/dev/null", O_RDWR);
  ::dup2(null, 0);
  ::dup2(p.output >= 0 ? p.output : null, 1);
  ::dup2(p.output >= 0 ? p.output : null, 2);
  if (p.socket >= 0) ::dup2(p.socket, 3);
  if (p.block >= 0) ::dup2(p.block, 4);
  // Ours are closed by exec anyway; this is for those that whoever started us left open.
  ::syscall(SYS_close_range, p.socket >= 0 ? 5u : 3u, ~0u, kCloseOnExec);
  unsigned enforced = 0;
  const rlimit no_core{0, 0};
  if (::setrlimit(RLIMIT_CORE, &no_core) == 0) enforced |= limits;
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) enforced |= no_new_privs;
  if (p.ruleset >= 0 && ::syscall(SYS_landlock_restrict_self, p.ruleset, 0) == 0)
    enforced |= landlock;
  if (p.filter && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, p.filter) == 0) enforced |= seccomp;
  const int message[2] = {static_cast<int>(enforced), 0};
  (void)!::write(p.report, message, sizeof message);
  ::execve(p.program, p.arguments, p.environment);
  const int failed[2] = {0, errno};
  (void)!::write(p.report, failed, sizeof failed);
  ::_exit(127);
}

std::vector<std::string> enforced_words(unsigned enforced, int abi) {
  std::vector<std::string> words;
  if (enforced & landlock) words.push_back(str("landlock-", abi));
  if (enforced & seccomp) words.push_back("seccomp");
  if (enforced & no_new_privs) words.push_back("no_new_privs");
  if (enforced & landlock && abi >= 4) words.push_back("no_network");
  return words;
}

// Only what engines read; the user's environment may hold secrets.
std::vector<std::string> environment_of(const Spawn& spawn) {
  std::vector<std::string> kept = spawn.environment;
  if (spawn.whole_environment) {
    for (char** variable = environ; *variable; ++variable) kept.emplace_back(*variable);
    return kept;
  }
  for (const char* name :
       {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_CACHE_HOME", "STROP_STORE",
        "LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LLVM_PROFILE_FILE"}) {
    if (const char* value = std::getenv(name)) kept.push_back(str(name, "=", value));
  }
  return kept;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

std::uint32_t usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    return static_cast<std::uint32_t>(CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

Result<Child> spawn(const Spawn& request) {
  std::vector<std::string> arguments{request.program.string()};
  arguments.insert(arguments.end(), request.arguments.begin(), request.arguments.end());
  std::vector<std::string> environment = environment_of(request);
  const std::vector<char*> argument_pointers = pointers(arguments);
  const std::vector<char*> environment_pointers = pointers(environment);

  Ruleset rules;
  std::vector<sock_filter> filter;
  if (request.confinement.enabled) {
    rules = landlock_rules(request);
    filter = seccomp_filter();
  }
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  std::array<int, 2> pipes{};
  if (::pipe2(pipes.data(), O_CLOEXEC) != 0) return file_error("start", request.program, errno);
  Descriptor report_in(pipes[0]);
  Descriptor report_out(pipes[1]);
  Descriptor socket(high_copy(request.socket)), block(high_copy(request.block)),
      output(high_copy(request.output));
  Descriptor report(high_copy(report_out.get())), ruleset(high_copy(rules.fd.get()));

  const Prepared prepared{.program = request.program.c_str(),
                          .arguments = argument_pointers.data(),
                          .environment = environment_pointers.data(),
                          .socket = socket.get(),
                          .block = block.get(),
                          .output = output.get(),
                          .ruleset = ruleset.get(),
                          .report = report.get(),
                          .filter = filter.empty() ? nullptr : &program};
  const pid_t pid = ::fork();
  if (pid < 0) return file_error("start", request.program, errno);
  if (pid == 0) child_main(prepared);

  report_out.reset();
  report.reset();
  std::array<int, 2> message{};
  unsigned enforced = 0;
  int exec_error = 0;
  while (::read(report_in.get(), message.data(), sizeof message) == sizeof message) {
    enforced |= static_cast<unsigned>(message[0]);
    exec_error = message[1];
  }
  if (exec_error != 0) {
    ::waitpid(pid, nullptr, 0);
    return file_error("start", request.program, exec_error);
  }
  return Child{.pid = pid,
               .pid_fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)),
               .enforced = enforced_words(enforced, rules.abi)};
}

void kill_tree(pid_t pid) {
  ::kill(-pid, SIGKILL);  // the worker leads its own session
  ::kill(pid, SIGKILL);
}

Exit reap(pid_t pid) {
  int status = 0;
  rusage usage{};
  while (::wait4(pid, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return {.status = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
          .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
          .cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime)};
}

namespace {

// The process and its descendants.
std::vector<pid_t> tree_of(pid_t root) {
  std::vector<pid_t> tree{root};
  for (std::size_t i = 0; i < tree.size() && tree.size() < 1024; ++i) {
    std::error_code error;
    for (const auto& task : fs::directory_iterator(str("/proc/", tree[i], "/task"), error)) {
      std::ifstream children(task.path() / "children");
      for (pid_t child = 0; children >> child;) tree.push_back(child);
    }
  }
  return tree;
}

}  // namespace

std::optional<Memory> memory_of(pid_t root) {
  std::optional<Memory> sum;
  for (pid_t pid : tree_of(root)) {
    std::ifstream status(str("/proc/", pid, "/status"));
    std::string key;
    std::uint64_t kib = 0;
    for (std::string line; std::getline(status, line);) {
      if (!line.starts_with("Rss")) continue;
      if (!sum) sum.emplace();
      const auto digits = line.find_first_of("0123456789");
      if (digits == std::string::npos) continue;
      std::from_chars(line.data() + digits, line.data() + line.size(), kib);
      if (line.starts_with("RssAnon")) sum->anonymous += kib * 1024;
      if (line.starts_with("RssFile")) sum->file += kib * 1024;
      if (line.starts_with("RssShmem")) sum->shared += kib * 1024;
    }
  }
  return sum;
}

std::vector<fs::path> control_groups(const std::string& controller) {
  const fs::path root = "/sys/fs/cgroup";
  std::ifstream lines("/proc/self/cgroup");
  std::vector<fs::path> folders;
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool version_2 = controllers == ",,";
    if (!version_2 && controllers.find("," + controller + ",") == std::string::npos) continue;
    const fs::path base = version_2 ? root : root / controller;
    fs::path group = line.substr(second + 1);
    for (; group.has_relative_path(); group = group.parent_path())
      folders.push_back(base / group.relative_path());
    folders.push_back(base);
  }
  return folders;
}

std::optional<std::uint64_t> available_memory() {
  std::ifstream meminfo("/proc/meminfo");
  std::string word;
  std::uint64_t kib = 0;
  while (meminfo >> word && word != "MemAvailable:") {
  }
  if (!(meminfo >> kib)) return std::nullopt;
  std::uint64_t bytes = kib * 1024;
  const auto heed = [&](const fs::path& limit_file, const fs::path& used_file) {
    std::uint64_t limit = 0, used = 0;
    if ((std::ifstream(limit_file) >> limit) && (std::ifstream(used_file) >> used))
      bytes = std::min(bytes, limit - std::min(used, limit));
  };
  for (const fs::path& group : control_groups("memory")) {
    heed(group / "memory.max", group / "memory.current");
    heed(group / "memory.limit_in_bytes", group / "memory.usage_in_bytes");
  }
  return bytes;
}

double cpu_seconds_of(pid_t root) {
  double ticks = 0;
  for (pid_t pid : tree_of(root)) {
    std::ifstream stat(str("/proc/", pid, "/stat"));
    std::string text((std::istreambuf_iterator<char>(stat)), {});
    const auto after_name = text.rfind(')');
    if (after_name == std::string::npos) continue;
    std::istringstream fields(text.substr(after_name + 1));
    std::string skipped;
    for (int i = 0; i < 11; ++i) fields >> skipped;  // state .. cmajflt
    // Its own, and of children that ended and were waited for.
    double user = 0, system = 0, ended_user = 0, ended_system = 0;
    fields >> user >> system >> ended_user >> ended_system;
    ticks += user + system + ended_user + ended_system;
  }
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

fs::path program_folder() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).parent_path();
}

std::string signal_name(int signal) {
  const char* abbreviation = ::sigabbrev_np(signal);
  return abbreviation ? str("SIG", abbreviation) : str("signal ", signal);
}

}  // namespace strop::os
