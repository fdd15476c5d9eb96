// A worker program and the requests to it. Its crash, hang, flood or memory bomb becomes an Error
// with its last words.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "core/json.h"
#include "core/message.h"
#include "core/os.h"
#include "core/shared_block.h"

namespace strop {

// Peak resident memory of a worker's process tree, with the parts at that moment.
struct MemoryPeak {
  os::Memory at_peak;
  std::uint32_t samples = 0;
};

class WorkerProcess {
 public:
  struct Options {
    std::filesystem::path program;
    std::vector<std::string> arguments = {};
    std::vector<std::string> environment = {};  // NAME=value, beside the few that every worker gets
    std::string name = {};                      // for messages; empty: that of the program
    os::Confinement confinement;
    std::optional<std::uint64_t> memory_limit_bytes;
    std::chrono::milliseconds memory_interval{100};  // a reading takes a core 0.2 ms
  };
  struct Call {
    std::chrono::milliseconds timeout{30'000};  // without an answer or a sign of progress
    Progress* progress = nullptr;
    std::stop_token stop = {};
  };

  // Starts the program and greets it; fails with backend when it speaks another protocol version.
  static Result<std::unique_ptr<WorkerProcess>> start(Options options);
  ~WorkerProcess();

  // One request, one answer. After an error of code crashed, out_of_memory, timeout or corrupt the
  // worker is gone.
  Result<Json> call(const std::string& method, Json params, const Call& call);

  SharedBlock& block() { return block_; }
  MemoryPeak memory_peak() const;
  double cpu_seconds() const;
  pid_t pid() const { return child_.pid; }
  const std::vector<std::string>& enforced() const { return child_.enforced; }
  const std::string& role() const { return role_; }

 private:
  WorkerProcess(Options options, Descriptor socket, Descriptor output, SharedBlock block,
                os::Child child);
  void watch(std::stop_token stop);
  void read_output();
  void sample_memory();
  Error death();
  Error end(Error error);
  Error lose_patience(const std::string& method, const Call& call, bool cancelled);
  std::string last_words() const;

  Options options_;
  std::string name_;
  std::string role_;
  Descriptor socket_;
  Descriptor output_;
  SharedBlock block_;
  os::Child child_;
  MessageReader reader_;
  std::uint64_t next_id_ = 0;
  std::optional<Error> gone_;

  mutable std::mutex mutex_;  // guards what the watching thread writes
  std::string words_;
  MemoryPeak peak_;
  bool over_limit_ = false;
  std::jthread watcher_;
};

}  // namespace strop
