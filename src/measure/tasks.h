// The user's own labelled tasks: how often an artifact answers right, beside the original.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "measure/statistics.h"
#include "strop/backend.h"
#include "strop/measurement.h"

namespace strop::measure {

enum class TaskKind { choice, classification, exact };
std::string_view name_of(TaskKind kind);

struct Task {
  TaskKind kind = TaskKind::choice;
  std::string prompt;
  std::vector<std::string> options;  // continuations of the prompt; of an exact task: the answer
  std::uint32_t answer = 0;          // index into options
  std::uint32_t max_tokens = 32;     // of an exact task's answer
  bool operator==(const Task&) const = default;
};

// One task a line, as docs/metrics.md describes. Refuses with invalid_input, naming line and field,
// what is no task; at most 10,000 of them.
Result<std::vector<Task>> parse_tasks(std::string_view jsonl);

// Ids of the prompt and, for each option, of the prompt with it. `scored_from` is the first id of
// the option, at least 1.
struct TaskIds {
  std::vector<TokenId> prompt;
  std::vector<std::vector<TokenId>> with_option;
  std::vector<std::uint32_t> scored_from;
};
using EncodeText = std::function<Result<std::vector<TokenId>>(const std::string&)>;
using DecodeIds = std::function<Result<std::string>(std::span<const TokenId>)>;
Result<std::vector<TaskIds>> tokenize(const std::vector<Task>& tasks, const EncodeText& encode);

// What was answered: the option whose text is most probable by byte of it; of an exact task 0 when
// the first line of the greedy continuation is the answer, else 1. In the order of the tasks.
Result<std::vector<std::uint32_t>> answer(DecoderSession& session, const std::vector<Task>& tasks,
                                          const std::vector<TaskIds>& ids, const DecodeIds& decode,
                                          TokenId end_of_text, Progress* progress,
                                          std::stop_token stop);

// task_accuracy, task_accuracy_reference, task_accuracy_change (paired) and task_agreement of all,
// and of each kind where there are several: context.domain is then the kind. Intervals by bootstrap
// over tasks.
std::vector<Metric> task_metrics(const std::vector<Task>& tasks,
                                 const std::vector<std::uint32_t>& reference,
                                 const std::vector<std::uint32_t>& candidate,
                                 const std::string& samples_path,
                                 const Resampling& resampling = {.resamples = 1000});

}  // namespace strop::measure
