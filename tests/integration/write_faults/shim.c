/* Preloaded into strop and its workers: makes one write fail, or ends everything at one, or keeps a log of what was
 * written and what was synced. What it does stands in a control file that the test maps too (see faults.py); only files
 * below the control's root count. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { kPoints = 8192, kPathBytes = 512, kOccurrences = 3 };
enum Mode { kOff, kFailEachPointOnce, kKillAt };
enum Error { kNoSpace, kIo, kShort };

struct Control {
  uint32_t mode;
  uint32_t error;
  _Atomic uint32_t armed; /* one failure per run: the test arms it again */
  uint32_t main_pid;
  _Atomic uint64_t operations;
  uint64_t kill_at;
  char root[kPathBytes];
  char log[kPathBytes]; /* of what was written and synced; empty: none */
  char failed[kPathBytes];
  _Atomic uint32_t point_count;
  uint64_t points[kPoints]; /* that failed already */
};

static struct Control* control;
static __thread int inside;

static int raw_open(const char* path, int flags) {
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0644);
}

__attribute__((constructor)) static void attach(void) {
  const char* path = getenv("STROP_WRITE_FAULTS");
  if (!path) return;
  const int fd = raw_open(path, O_RDWR);
  if (fd < 0) return;
  void* block = mmap(NULL, sizeof(struct Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (block != MAP_FAILED) control = block;
}

static int below_root(const char* path) {
  const size_t length = strlen(control->root);
  return strncmp(path, control->root, length) == 0 && path[length] == '/' && !strstr(path, "/locks/");
}

/* The path behind a descriptor of a regular file or a folder that counts, or none. */
static int path_of(int fd, char* path) {
  char link[64];
  struct stat status;
  if (fstat(fd, &status) != 0 || !(S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, kPathBytes - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return below_root(path);
}

static void absolute(const char* given, char* path) {
  if (given[0] == '/') {
    snprintf(path, kPathBytes, "%s", given);
  } else {
    char here[kPathBytes / 2];
    if (!getcwd(here, sizeof here)) here[0] = 0;
    snprintf(path, kPathBytes, "%s/%.200s", here, given);
  }
}

/* What changes from run to run is left out: ids and numbers. */
static uint64_t point_of(const char* operation, const char* path, uint32_t occurrence) {
  uint64_t hash = 1469598103934665603ull;
  char program[32] = "";
  const int fd = raw_open("/proc/self/comm", O_RDONLY);
  if (fd >= 0) {
    const ssize_t length = read(fd, program, sizeof program - 1);
    program[length > 0 ? length : 0] = 0;
    close(fd);
  }
  const char* parts[] = {program, operation, path + strlen(control->root)};
  for (int i = 0; i < 3; ++i) {
    int in_number = 0;
    for (const char* c = parts[i]; *c; ++c) {
      const int number = (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'f');
      const char kept = number ? '#' : *c;
      if (number && in_number) continue;
      in_number = number;
      hash = (hash ^ (unsigned char)kept) * 1099511628211ull;
    }
  }
  return (hash ^ occurrence) * 1099511628211ull;
}

/* Of the same operation on the same file in this process. */
static uint32_t occurrence_of(const char* operation, const char* path) {
  static struct { uint64_t key; uint32_t count; } seen[1024];
  uint64_t key = 1469598103934665603ull;
  for (const char* c = operation; *c; ++c) key = (key ^ (unsigned char)*c) * 1099511628211ull;
  for (const char* c = path; *c; ++c) key = (key ^ (unsigned char)*c) * 1099511628211ull;
  for (uint32_t i = 0; i < 1024; ++i) {
    const uint32_t at = (uint32_t)((key + i) % 1024);
    if (seen[at].count && seen[at].key != key) continue;
    seen[at].key = key;
    if (++seen[at].count > kOccurrences) seen[at].count = kOccurrences;
    return seen[at].count;
  }
  return kOccurrences;
}

static int failed_already(uint64_t point) {
  const uint32_t count = atomic_load(&control->point_count);
  for (uint32_t i = 0; i < count && i < kPoints; ++i)
    if (control->points[i] == point) return 1;
  return 0;
}

/* -1: this operation fails with errno set; -2: it does half; 0: it goes on. */
static int decide(const char* operation, const char* path, int can_be_short) {
  const uint64_t number = atomic_fetch_add(&control->operations, 1) + 1;
  if (control->mode == kKillAt && number == control->kill_at) {
    if (control->main_pid) kill((pid_t)control->main_pid, SIGKILL);
    kill(getpid(), SIGKILL);
  }
  if (control->mode != kFailEachPointOnce || !atomic_load(&control->armed)) return 0;
  if (control->error == kShort && !can_be_short) return 0;
  const uint64_t point = point_of(operation, path, occurrence_of(operation, path));
  if (failed_already(point)) return 0;
  uint32_t one = 1;
  /* A half write ends nothing, so that one run meets all of them. */
  if (control->error != kShort && !atomic_compare_exchange_strong(&control->armed, &one, 0)) return 0;
  const uint32_t at = atomic_fetch_add(&control->point_count, 1);
  if (at < kPoints) control->points[at] = point;
  snprintf(control->failed, sizeof control->failed, "%s %.480s", operation, path);
  if (control->error == kShort) return -2;
  errno = control->error == kNoSpace ? ENOSPC : EIO;
  return -1;
}

static void note(const char* format, ...) {
  if (!control->log[0]) return;
  char line[2 * kPathBytes + 64];
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  const int kept = errno;
  const int fd = raw_open(control->log, O_WRONLY | O_APPEND | O_CREAT);
  if (fd >= 0) {
    syscall(SYS_write, fd, line, (size_t)length);
    close(fd);
  }
  errno = kept;
}

static void note_written(int fd) {
  struct stat status;
  if (control->log[0] && fstat(fd, &status) == 0)
    note("W\t%lu\t%ld\n", (unsigned long)status.st_ino, (long)status.st_size);
}

#define REAL(type, name, ...) \
  static type (*real)(__VA_ARGS__); \
  if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void* data, size_t bytes) {
  REAL(ssize_t, "write", int, const void*, size_t);
  if (!control || inside) return real(fd, data, bytes);
  inside = 1;
  char path[kPathBytes];
  ssize_t done = -1;
  const int counts = path_of(fd, path);
  const int verdict = counts ? decide("write", path, bytes > 1) : 0;
  if (verdict != -1) done = real(fd, data, verdict == -2 ? bytes / 2 : bytes);
  if (counts && done > 0) note_written(fd);
  inside = 0;
  return done;
}

static ssize_t any_pwrite(int fd, const void* data, size_t bytes, off_t at) {
  inside = 1;
  char path[kPathBytes];
  ssize_t done = -1;
  const int counts = path_of(fd, path);
  const int verdict = counts ? decide("pwrite", path, bytes > 1) : 0;
  if (verdict != -1)
    done = syscall(SYS_pwrite64, fd, data, verdict == -2 ? bytes / 2 : bytes, at);
  if (counts && done > 0) note_written(fd);
  inside = 0;
  return done;
}
ssize_t pwrite(int fd, const void* data, size_t bytes, off_t at) {
  if (!control || inside) return syscall(SYS_pwrite64, fd, data, bytes, at);
  return any_pwrite(fd, data, bytes, at);
}
ssize_t pwrite64(int fd, const void* data, size_t bytes, off_t at) {
  return pwrite(fd, data, bytes, at);
}

ssize_t writev(int fd, const struct iovec* parts, int count) {
  REAL(ssize_t, "writev", int, const struct iovec*, int);
  if (!control || inside) return real(fd, parts, count);
  inside = 1;
  char path[kPathBytes];
  ssize_t done = -1;
  const int counts = path_of(fd, path);
  const int verdict = counts ? decide("writev", path, count > 1) : 0;
  if (verdict != -1) done = real(fd, parts, verdict == -2 ? 1 : count);
  if (counts && done > 0) note_written(fd);
  inside = 0;
  return done;
}

static int any_sync(const char* name, int fd, int (*real)(int)) {
  inside = 1;
  char path[kPathBytes];
  struct stat status;
  const int counts = path_of(fd, path);
  int result = counts ? decide(name, path, 0) : 0;
  if (result == 0) result = real(fd);
  if (counts && result == 0 && control->log[0] && fstat(fd, &status) == 0) {
    if (S_ISDIR(status.st_mode))
      note("D\t%s\n", path);
    else
      note("S\t%lu\t%ld\n", (unsigned long)status.st_ino, (long)status.st_size);
  }
  inside = 0;
  return result;
}
int fsync(int fd) {
  REAL(int, "fsync", int);
  return !control || inside ? real(fd) : any_sync("fsync", fd, real);
}
int fdatasync(int fd) {
  REAL(int, "fdatasync", int);
  return !control || inside ? real(fd) : any_sync("fdatasync", fd, real);
}

int rename(const char* from, const char* to) {
  REAL(int, "rename", const char*, const char*);
  if (!control || inside) return real(from, to);
  inside = 1;
  char source[kPathBytes], target[kPathBytes];
  absolute(from, source);
  absolute(to, target);
  const int counts = below_root(target);
  int result = counts ? decide("rename", target, 0) : 0;
  if (result == 0) {
    static _Atomic uint32_t backups;
    char backup[kPathBytes] = "";
    if (counts && control->log[0]) {
      snprintf(backup, sizeof backup, "%.400s.before.%d.%u", control->log, getpid(),
               atomic_fetch_add(&backups, 1));
      if (link(target, backup) != 0) backup[0] = 0;
    }
    result = real(from, to);
    if (counts && result == 0) note("R\t%s\t%s\t%s\n", source, target, backup);
  }
  inside = 0;
  return result;
}

static int any_open(const char* given, int flags, mode_t mode) {
  inside = 1;
  char path[kPathBytes];
  absolute(given, path);
  const int counts = (flags & O_CREAT) && below_root(path);
  const int fresh = counts && access(path, F_OK) != 0;
  int result = counts ? decide("create", path, 0) : 0;
  if (result == 0) result = (int)syscall(SYS_openat, AT_FDCWD, given, flags, mode);
  if (fresh && result >= 0) note("C\t%s\n", path);
  inside = 0;
  return result;
}
#define OPEN(name) \
  int name(const char* given, int flags, ...) { \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
      va_list arguments; \
      va_start(arguments, flags); \
      mode = va_arg(arguments, mode_t); \
      va_end(arguments); \
    } \
    if (!control || inside) return (int)syscall(SYS_openat, AT_FDCWD, given, flags, mode); \
    return any_open(given, flags, mode); \
  }
OPEN(open)
OPEN(open64)

int mkdir(const char* given, mode_t mode) {
  REAL(int, "mkdir", const char*, mode_t);
  if (!control || inside) return real(given, mode);
  inside = 1;
  char path[kPathBytes];
  absolute(given, path);
  int result = below_root(path) && access(path, F_OK) != 0 ? decide("mkdir", path, 0) : 0;
  if (result == 0) result = real(given, mode);
  inside = 0;
  return result;
}
