// What every stage of a run needs from outside: where things lie, what is finished already, who
// watches, when to stop.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include "core/clock.h"
#include "core/json.h"
#include "core/proxy.h"
#include "core/stop.h"
#include "store/journal.h"
#include "store/store.h"
#include "strop/run.h"

namespace strop::pipeline {

// Where the program's parts lie: PREFIX/libexec/strop and PREFIX/share/strop. PREFIX is the folder
// above the program's own, or what STROP_PREFIX says.
struct Places {
  std::filesystem::path workers;
  std::filesystem::path share;
};
Places places();

// Worker programs of the installation and of the folders in STROP_WORKERS (separated by colons),
// the first of a name.
std::vector<std::filesystem::path> installed_workers();

// Beside an artifact's files: the tokenizer, as the text worker reads it.
inline constexpr const char* kVocabulary = "vocab.gguf";

class Context {
 public:
  Context(const RunRequest& request, Observer& observer, std::stop_token stop, Store store,
          std::optional<Journal> journal);

  const RunRequest& request() const { return request_; }
  Observer& observer() { return observer_; }
  std::stop_token stop() const { return stop_; }
  Store& store() { return store_; }
  const Places& where() const { return places_; }
  std::filesystem::path out() const { return request_.out; }

  WorkerBackend worker(const std::string& name) const;
  WorkerPolicy policy() const;
  // The artifact in a fresh worker of that name, with scratch files of its own.
  Result<std::unique_ptr<WorkerSession>> open(const std::string& backend, const Artifact& artifact,
                                              const RunOptions& options);
  Result<std::unique_ptr<Tokenizer>> tokenizer(const std::filesystem::path& vocabulary) const;
  // SHA-256 of what that worker is made of: its program, or its files where it is a toolchain's.
  Result<std::string> worker_digest(const std::string& name);
  // A folder of its own for the scratch files of one worker; several live at once.
  Result<std::filesystem::path> scratch();
  // Where the run folder keeps the raw samples of its metrics; made when missing.
  Result<std::filesystem::path> samples_folder() const;

  // True once per process for each word.
  bool first_time(const std::string& word) { return seen_.insert(word).second; }

  // Wall time that finished steps and this process have used, and what the budget leaves.
  double seconds_spent() const;
  double seconds_left() const { return request_.goal.budget.wall_seconds - seconds_spent(); }

  // To the observer, with the time left where work goes on.
  void tell(Event event);
  void note(Stage stage, const std::string& text) {
    tell({.kind = Event::Kind::note, .stage = stage, .text = text});
  }

  // The value of a step: from the journal when a step with this name and these inputs is finished
  // there (without a journal, in this process), else made by `work` and recorded. A failure is not
  // recorded, so it is tried again by the next run.
  template <class T>
  Result<T> step(Stage stage, const std::string& name, const Json& inputs,
                 const std::function<Result<T>()>& work) {
    const std::string key = id_of({{"step", name}, {"inputs", inputs}});
    if (const Json* made = finished(key)) return decode<T>(*made, name);
    STROP_CHECK(check_stop(stop_));
    tell({.kind = Event::Kind::work, .stage = stage, .subject = name});
    const Stopwatch watch;
    auto value = work();
    if (!value) {
      if (value.error().code != ErrorCode::cancelled)
        tell({.kind = Event::Kind::failed,
              .stage = stage,
              .subject = name,
              .text = value.error().message});
      return value;
    }
    STROP_CHECK(
        record({.key = key, .name = name, .seconds = watch.seconds(), .value = encode(*value)}));
    tell({.kind = Event::Kind::done, .stage = stage, .subject = name, .fraction = 1});
    return value;
  }

 private:
  const Json* finished(const std::string& key) const;  // null: no such step is
  Result<void> record(JournalRecord step);

  const RunRequest& request_;
  Observer& observer_;
  std::stop_token stop_;
  Store store_;
  std::optional<Journal> journal_;
  std::map<std::string, Json> made_;  // by key, where there is no journal
  Places places_;
  Stopwatch watch_;
  double spent_before_ = 0;
  std::vector<Lock> scratch_;  // so that nobody clears them away
  std::set<std::string> seen_;
};

// Reports a worker's progress as events of one subject.
class StepProgress : public Progress {
 public:
  StepProgress(Context& context, Stage stage, std::string subject)
      : context_(context), stage_(stage), subject_(std::move(subject)) {}
  void report(double fraction, std::string_view what) override;

 private:
  Context& context_;
  Stage stage_;
  std::string subject_;
};

// True when the run as a whole must end: the user stopped it, or the disk is full or fails. A trial
// that the disk spoilt would stay failed when the run goes on.
bool ends_the_run(const Error& error);
// Otherwise: the trial ends with the error as its reason, and the others go on.
void mark_failed(Trial& trial, const Error& error);

}  // namespace strop::pipeline
