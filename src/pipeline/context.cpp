#include "pipeline/context.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "core/files.h"
#include "pipeline/toolchains.h"

namespace fs = std::filesystem;

namespace strop::pipeline {

Places places() {
  const char* const named = std::getenv("STROP_PREFIX");
  const fs::path prefix = named && *named ? fs::path(named) : os::program_folder().parent_path();
  return {.workers = prefix / "libexec" / "strop", .share = prefix / "share" / "strop"};
}

std::vector<fs::path> installed_workers() {
  std::vector<fs::path> folders{places().workers};
  if (const char* more = std::getenv("STROP_WORKERS")) {
    std::istringstream list(more);
    for (std::string folder; std::getline(list, folder, ':');) {
      if (!folder.empty()) folders.emplace_back(folder);
    }
  }
  std::vector<fs::path> programs;
  for (const fs::path& folder : folders) {
    for (const fs::path& program : find_workers(folder)) {
      const auto same_name = [&](const fs::path& other) {
        return other.filename() == program.filename();
      };
      if (std::none_of(programs.begin(), programs.end(), same_name)) programs.push_back(program);
    }
  }
  return programs;
}

Context::Context(const RunRequest& request, Observer& observer, std::stop_token stop, Store store,
                 std::optional<Journal> journal)
    : request_(request),
      observer_(observer),
      stop_(std::move(stop)),
      store_(std::move(store)),
      journal_(std::move(journal)),
      places_(places()),
      spent_before_(journal_ ? journal_->seconds() : 0) {}

WorkerPolicy Context::policy() const {
  WorkerPolicy policy{.confine = request_.confine,
                      .memory_limit_bytes = request_.worker_memory_bytes,
                      .cache = store_.workers_cache()};
  if (request_.worker_silence_seconds)
    policy.patience = std::chrono::milliseconds(
        static_cast<std::int64_t>(*request_.worker_silence_seconds * 1000));
  // Short of all there is, so that a memory bomb ends and the rest of the machine does not.
  const auto available = os::available_memory();
  if (!policy.memory_limit_bytes && available) policy.memory_limit_bytes = *available / 10 * 9;
  return policy;
}

WorkerBackend Context::worker(const std::string& name) const {
  const std::string file = "strop-worker-" + name;
  for (const fs::path& program : installed_workers()) {
    if (program.filename() == file) return WorkerBackend(program, policy());
  }
  for (WorkerCommand& command : toolchain_workers()) {
    if (command.name == name) return {std::move(command), policy()};
  }
  return {places_.workers / file, policy()};  // missing: said when it is started
}

Result<std::unique_ptr<WorkerSession>> Context::open(const std::string& backend,
                                                     const Artifact& artifact,
                                                     const RunOptions& options) {
  STROP_TRY(const fs::path folder, scratch());
  return worker(backend).open(artifact, options, {.dir = folder, .stop = stop_});
}

Result<std::unique_ptr<Tokenizer>> Context::tokenizer(const fs::path& vocabulary) const {
  return open_tokenizer(places_.workers / "strop-worker-text", vocabulary, policy());
}

Result<std::string> Context::worker_digest(const std::string& name) {
  const std::string file = "strop-worker-" + name;
  for (const fs::path& program : installed_workers()) {
    if (program.filename() == file) return store_.digest(program);
  }
  return store_.digest_tree(places_.share / "toolchains" / name);
}

Result<fs::path> Context::scratch() {
  const fs::path folder =
      store_.root() / "work" / str("scratch.", ::getpid(), ".", scratch_.size() + 1);
  std::error_code error;
  fs::remove_all(folder, error);
  STROP_CHECK(make_folder(folder));
  STROP_TRY(Lock lock, Lock::try_folder(folder, "a scratch folder"));
  scratch_.push_back(std::move(lock));
  return folder;
}

Result<fs::path> Context::samples_folder() const {
  const fs::path folder = out() / "samples";
  STROP_CHECK(make_folder(folder));
  return folder;
}

double Context::seconds_spent() const { return spent_before_ + watch_.seconds(); }

void Context::tell(Event event) {
  if (event.kind == Event::Kind::work || event.kind == Event::Kind::done)
    event.seconds_left = std::max(0.0, seconds_left());
  observer_.on(event);
}

const Json* Context::finished(const std::string& key) const {
  if (journal_) {
    const JournalRecord* done = journal_->find(key);
    return done ? &done->value : nullptr;
  }
  const auto made = made_.find(key);
  return made == made_.end() ? nullptr : &made->second;
}

Result<void> Context::record(JournalRecord step) {
  if (journal_) return journal_->append(std::move(step));
  made_.insert_or_assign(std::move(step.key), std::move(step.value));
  return {};
}

void StepProgress::report(double fraction, std::string_view what) {
  context_.tell({.kind = Event::Kind::work,
                 .stage = stage_,
                 .subject = subject_,
                 .fraction = fraction,
                 .text = std::string(what)});
}

bool ends_the_run(const Error& error) {
  return error.code == ErrorCode::cancelled || error.code == ErrorCode::no_space ||
         error.code == ErrorCode::io;
}

void mark_failed(Trial& trial, const Error& error) {
  trial.status = TrialStatus::failed;
  trial.error = error;
  trial.reason = error.message;
}

}  // namespace strop::pipeline
