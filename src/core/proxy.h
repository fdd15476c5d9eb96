// What the main program sees of backends and tokenizers: proxies that speak to worker programs.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/worker_process.h"
#include "strop/backend.h"
#include "strop/text.h"

namespace strop {

struct WorkerPolicy {
  bool confine = true;
  std::optional<std::uint64_t> memory_limit_bytes;
  std::chrono::milliseconds patience{
      300'000};  // longest silence of a build, an opening or a generation
  std::filesystem::path cache =
      {};  // where workers keep what they found out about the machine; may be empty
};

// How a worker is started. What it may read and run comes on top of the system's libraries and the
// program's own folder.
struct WorkerCommand {
  std::string name;  // as recipes call it
  std::filesystem::path program;
  std::vector<std::string> arguments = {};
  std::vector<std::string> environment = {};  // NAME=value
  std::vector<std::filesystem::path> read = {};
  std::vector<std::filesystem::path> execute = {};
  std::optional<Error> missing = {};  // set: it cannot be started, and why
};

// An opened artifact in a worker of its own.
class WorkerSession {
 public:
  WorkerSession(std::unique_ptr<WorkerProcess> process, std::unique_ptr<Session> session)
      : process_(std::move(process)), session_(std::move(session)) {}
  Session& session() { return *session_; }
  WorkerProcess& process() { return *process_; }

 private:
  std::unique_ptr<WorkerProcess> process_;
  std::unique_ptr<Session> session_;
};

// A framework behind its worker program. Every call but open ends with its process; a session keeps
// its own.
class WorkerBackend {
 public:
  // Its name is what follows "strop-worker-" in the program's.
  WorkerBackend(std::filesystem::path program, WorkerPolicy policy);
  WorkerBackend(WorkerCommand command, WorkerPolicy policy)
      : command_(std::move(command)), policy_(std::move(policy)) {}

  const std::string& name() const { return command_.name; }

  // A worker that cannot be asked counts as unavailable, with the reason.
  BackendInfo info() const;
  // Version, fit and recipe space; a worker that is unavailable here does not support the model,
  // with the reason.
  Result<BackendFit> fit(const Model& model, const Target& target) const;
  // See Backend::build.
  Result<Artifact> build(const Model& input, const Recipe& recipe, std::size_t step,
                         const Workspace& workspace) const;
  Result<std::unique_ptr<WorkerSession>> open(const Artifact& artifact, const RunOptions& options,
                                              const Workspace& workspace) const;

 private:
  // How the worker may use the policy's cache: only written where it is shown no model's bytes.
  enum class Notes { read, written };
  Result<std::unique_ptr<WorkerProcess>> start(os::Confinement confinement, Notes notes) const;
  WorkerCommand command_;
  WorkerPolicy policy_;
};

// Every worker program in the folder, by name; those that serve text are told apart when asked.
std::vector<std::filesystem::path> find_workers(const std::filesystem::path& folder);

// The tokenizer of a vocabulary-only file, in a worker.
Result<std::unique_ptr<Tokenizer>> open_tokenizer(const std::filesystem::path& program,
                                                  const std::filesystem::path& vocabulary,
                                                  const WorkerPolicy& policy);

}  // namespace strop
