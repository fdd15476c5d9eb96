// The user's labelled tasks (--eval): read and tokenized once, answered by the original, then by
// each artifact.
#pragma once

#include "measure/tasks.h"
#include "pipeline/contestant.h"

namespace strop::pipeline {

struct EvaluationTasks {
  std::vector<measure::Task> tasks;  // empty: none were given
  std::vector<measure::TaskIds> ids;
  std::string digest;                    // of the file
  std::filesystem::path vocabulary;      // that made the ids
  std::vector<std::uint32_t> reference;  // the original's answers
};

// The file's tasks, strictly read.
Result<std::vector<measure::Task>> read_tasks(const std::filesystem::path& path);

// Everything of it, the answers of the open quality reference included.
Result<EvaluationTasks> read_evaluation_tasks(const Trial& reference, const Report& report,
                                              Context& context);

// task_* metrics of an opened artifact, with its answers in the run folder.
Result<std::vector<Metric>> measure_tasks(const Trial& trial, const EvaluationTasks& tasks,
                                          WorkerSession& worker, const Report& report,
                                          Context& context);

}  // namespace strop::pipeline
