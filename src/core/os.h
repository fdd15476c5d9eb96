// What differs between operating systems, in one place: processes, their memory, and confinement.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "strop/result.h"

namespace strop::os {

// What a worker may touch beside the system's libraries and its own program.
struct Confinement {
  bool enabled = true;
  std::vector<std::filesystem::path> read;
  std::vector<std::filesystem::path> write;
  std::vector<std::filesystem::path> execute = {};  // programs it is made of: an interpreter
};

struct Spawn {
  std::filesystem::path program;
  std::vector<std::string> arguments;
  int socket = -1;  // becomes descriptor 3
  int block = -1;   // becomes descriptor 4
  int output = -1;  // becomes stdout and stderr
  Confinement confinement;
  std::vector<std::string> environment = {};  // NAME=value, beside the few that every worker gets
  bool whole_environment = false;             // all of the user's variables, for tools of his own
};

struct Child {
  pid_t pid = -1;
  int pid_fd = -1;  // readable when the child has ended
  std::vector<std::string>
      enforced;  // what the kernel enforces: landlock-7, seccomp, no_new_privs, ...
};

// Processors this process may use.
std::uint32_t usable_cores();

// Starts the program in its own session; it dies with the thread that called this.
Result<Child> spawn(const Spawn& spawn);

// Ends the whole process group at once.
void kill_tree(pid_t pid);

struct Exit {
  int status = 0;  // exit code when signal is 0
  int signal = 0;
  double cpu_seconds = 0;
};
// Waits for the child's end and frees its slot.
Exit reap(pid_t pid);

// Resident memory in bytes, summed over the process and its descendants.
struct Memory {
  std::uint64_t anonymous = 0;
  std::uint64_t file = 0;  // mapped files, weights among them
  std::uint64_t shared = 0;
  std::uint64_t total() const { return anonymous + file + shared; }
};
std::optional<Memory> memory_of(pid_t pid);

// Folders of this process's control group and of those above it, for version 1 (of that controller)
// or version 2.
std::vector<std::filesystem::path> control_groups(const std::string& controller);

// Bytes that new processes can use now: what the kernel calls available, and within every
// control group's limit. Nothing when the kernel does not say.
std::optional<std::uint64_t> available_memory();

// CPU seconds used so far by the process and its descendants, those that ended included.
double cpu_seconds_of(pid_t pid);

// Folder of the running program.
std::filesystem::path program_folder();
std::string signal_name(int signal);

}  // namespace strop::os
