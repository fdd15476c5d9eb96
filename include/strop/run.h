// The library's entry: the whole pipeline, one stage of it, and the report as people read it. A
// program that does not lie in Strop's PREFIX/bin names PREFIX in the environment variable
// STROP_PREFIX, so that the workers and rules are found.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "strop/backend.h"
#include "strop/golden.h"
#include "strop/lock_file.h"
#include "strop/report.h"

namespace strop {

// What is going on, for a person who waits. The library itself prints nothing.
struct Event {
  enum class Kind { stage, work, done, failed, note };
  Kind kind = Kind::note;
  Stage stage = Stage::none;
  std::string subject;                 // what is worked on: "llama_cpp q8_0: quality"
  double fraction = 0;                 // of this work, 0..1
  std::optional<double> seconds_left;  // of the whole run
  std::string text;                    // outcome or reason
};

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on(const Event& event) = 0;  // may come from any thread
};

struct RunRequest {
  std::string model;   // a folder or a file
  std::string out;     // run folder; created when missing
  std::string target;  // profile name or file; empty: this machine
  Goal goal;
  bool confine = true;  // workers start confined as far as the kernel allows
  // Limit per worker; empty: nine tenths of what is available when it starts.
  std::optional<std::uint64_t> worker_memory_bytes;
  // A worker that gives no sign of life for longer is ended; empty: 5 minutes.
  std::optional<double> worker_silence_seconds;
  // Of the store, in bytes: what no run folder needs is removed above it. Empty: no limit.
  std::optional<std::uint64_t> store_limit_bytes;
  // Repeat the run that this lock file pins: its trials and no others.
  std::optional<LockFile> locked;
};

// All stages in order. Steps that the run folder's journal holds are not repeated. The report is
// also in the folder as report.json and report.html, and beside it strop.lock.json. Fails with busy
// when another process uses the folder, with invalid_input when it was begun with another request.
Result<Report> run(const RunRequest& request, Observer& observer, std::stop_token stop);

// One stage: takes what the stage before returned. The first, assess, takes an empty report.
Result<Report> advance(Stage stage, Report report, const RunRequest& request, Observer& observer,
                       std::stop_token stop);

// Opens the artifact in `folder` (an artifact.json and what it names) through its framework on this
// machine and holds it against the golden records beside it. A drift is a check that fails; an
// error is what keeps it from being checked: not_found when there is no artifact or no record. Of
// `request` only confinement and the workers' limits count.
Result<GoldenReport> verify(const std::string& folder, const RunRequest& request,
                            Observer& observer, std::stop_token stop);

// Every worker program that is installed, and whether it can run here.
std::vector<BackendInfo> backends(bool confine);
std::string to_json(const std::vector<BackendInfo>& all);

std::string to_terminal(const Report& report, std::size_t width, bool colour, bool unicode);
// Writes report.json and report.html to the folder, which is made where there is none; each appears
// whole or not at all. samples: the run's folder, for the raw samples that the page draws; empty:
// without them.
Result<void> write_report(const Report& report, const std::string& folder,
                          const std::string& samples = {});

std::string_view version();

}  // namespace strop
