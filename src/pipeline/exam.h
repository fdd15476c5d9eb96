// What every artifact of a run is asked: the request that is timed, and the questions that its
// answers are judged by. One for models of text, one for models of tensors; the order of measuring
// (measure.cpp) and the timing (timing.cpp) know neither.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pipeline/contestant.h"

namespace strop::pipeline {

class Exam {
 public:
  virtual ~Exam() = default;

  // Answers may be compared when it is the same: a digest of the questions.
  virtual std::string id() const = 0;
  // "256 prompt + 64 new tokens"
  virtual std::string request_text() const = 0;
  // What was done to the user's data to make questions of it, in sentences.
  virtual std::vector<std::string> notes() const { return {}; }
  // Of every figure about the timed request.
  virtual MetricContext context() const = 0;
  // The metric that says how far an artifact's answers are from the original's; 0 is nowhere.
  virtual std::string distance() const = 0;

  // A screening is as much of the request as it takes to tell run options apart.
  enum class Length { full, screening };
  virtual measure::Contestant contestant(const std::string& name, WorkerSession& worker,
                                         Length length, std::stop_token stop) const = 0;
  // The same amount of work, but each request asks something else: the n-th of every contestant
  // asks the same.
  virtual measure::Contestant varied_contestant(const std::string& name, WorkerSession& worker,
                                                std::stop_token stop) const = 0;
  // What timed requests say.
  virtual std::vector<Metric> request_metrics(std::span<const measure::Request> requests) const = 0;
  // What is worth a few requests more, once the worker was timed and its memory read. Failing here
  // only leaves figures out.
  struct Further {
    std::vector<Metric> metrics;
    std::vector<measure::Series> series;  // raw
  };
  virtual Further further_metrics(WorkerSession& worker, std::stop_token stop) const = 0;

  // Quality metrics of the trial and the conditions of its worker, with the raw samples in the run
  // folder.
  virtual Result<Measurement> quality(const Trial& trial, const Report& report,
                                      Context& context) const = 0;
  // The distance from the original, from the first few questions only, and how it was run.
  struct Glance {
    Metric distance;
    RunOptions run_options;
  };
  virtual Result<Glance> glance(const Trial& trial, const Report& report,
                                Context& context) const = 0;
};

// A prompt from an empty sequence and its greedy continuation. The worker must have a decoder. Of
// several prompts each request takes the next, and after the last the first again.
measure::Contestant continuation(const std::string& name, WorkerSession& worker,
                                 std::vector<std::vector<TokenId>> prompts,
                                 std::uint32_t new_tokens, std::stop_token stop);

// Prepared: the questions are read, and the reference's answers recorded where that pays.
Result<std::unique_ptr<Exam>> make_exam(const Trial& baseline, const Trial& reference,
                                        const Report& report, Context& context);
// The one for models of text, the one for models of tensors.
Result<std::unique_ptr<Exam>> make_text_exam(const Trial& baseline, const Trial& reference,
                                             const Report& report, Context& context);
Result<std::unique_ptr<Exam>> make_sample_exam(const Trial& baseline, const Trial& reference,
                                               const Report& report, Context& context);

}  // namespace strop::pipeline
