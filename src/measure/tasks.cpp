#include "measure/tasks.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <set>

#include "core/json.h"
#include "core/stop.h"
#include "measure/row.h"

namespace strop::measure {
namespace {

constexpr std::size_t kMaxTasks = 10'000;
constexpr std::size_t kMaxOptions = 64;
constexpr std::size_t kMaxText = 1u << 20;  // bytes of a line
constexpr std::uint32_t kMaxAnswerTokens = 512;
constexpr std::array kKinds{"choice", "classification", "exact"};

struct Line {
  const Json& json;
  std::size_t number;

  Error wrong(const std::string& field, const std::string& rule) const {
    return {.code = ErrorCode::invalid_input,
            .message = str("[measure] --eval, line ", number, ": ", field, " ", rule),
            .hint = "docs/metrics.md describes the three kinds of tasks.",
            .field = field};
  }
  Result<std::string> text(const std::string& field) const {
    const auto found = json.find(field);
    if (found == json.end() || !found->is_string() || found->get<std::string>().empty())
      return wrong(field, "must be a text that is not empty");
    return found->get<std::string>();
  }
  Result<std::vector<std::string>> texts(const std::string& field) const {
    const auto found = json.find(field);
    std::vector<std::string> all;
    if (found == json.end() || !found->is_array()) return wrong(field, "must be an array of texts");
    for (const Json& item : *found) {
      if (!item.is_string() || item.get<std::string>().empty())
        return wrong(field, "must hold texts that are not empty");
      all.push_back(item.get<std::string>());
    }
    if (all.size() < 2 || all.size() > kMaxOptions)
      return wrong(field, str("must hold 2 to ", kMaxOptions, " texts, but holds ", all.size()));
    if (std::set<std::string>(all.begin(), all.end()).size() != all.size())
      return wrong(field, "must hold different texts");
    return all;
  }
  Result<std::uint32_t> index(const std::string& field, std::size_t below) const {
    const auto found = json.find(field);
    if (found == json.end() || !found->is_number_unsigned() || found->get<std::uint64_t>() >= below)
      return wrong(field, str("must be an index below ", below));
    return found->get<std::uint32_t>();
  }
  Result<void> only(std::initializer_list<std::string_view> names) const {
    for (const auto& [key, value] : json.items())
      if (std::find(names.begin(), names.end(), key) == names.end())
        return wrong(key, "is not a field of this kind of task");
    return {};
  }
};

std::string with_space(const std::string& text) {
  return text.starts_with(' ') || text.starts_with('\n') ? text : " " + text;
}

Result<Task> choice_task(const Line& line) {
  STROP_CHECK(line.only({"prompt", "choices", "answer"}));
  Task task{.kind = TaskKind::choice};
  STROP_TRY(task.prompt, line.text("prompt"));
  STROP_TRY(task.options, line.texts("choices"));
  STROP_TRY(task.answer, line.index("answer", task.options.size()));
  for (std::string& option : task.options) option = with_space(option);
  return task;
}

// `labels` are all that the file has, where the line names none.
Result<Task> classification_task(const Line& line, const std::vector<std::string>& labels) {
  STROP_CHECK(line.only({"text", "label", "labels"}));
  Task task{.kind = TaskKind::classification, .options = labels};
  STROP_TRY(task.prompt, line.text("text"));
  STROP_TRY(const std::string label, line.text("label"));
  if (line.json.contains("labels")) {
    STROP_TRY(task.options, line.texts("labels"));
  }
  const auto found = std::find(task.options.begin(), task.options.end(), label);
  if (found == task.options.end()) return line.wrong("label", "must be one of labels");
  if (task.options.size() < 2) return line.wrong("label", "is the only one: nothing is decided");
  task.answer = static_cast<std::uint32_t>(found - task.options.begin());
  for (std::string& option : task.options) option = with_space(option);
  return task;
}

Result<Task> exact_task(const Line& line) {
  STROP_CHECK(line.only({"prompt", "answer", "max_tokens"}));
  Task task{.kind = TaskKind::exact};
  STROP_TRY(task.prompt, line.text("prompt"));
  STROP_TRY(const std::string expected, line.text("answer"));
  task.options = {expected};
  if (line.json.contains("max_tokens")) {
    STROP_TRY(task.max_tokens, line.index("max_tokens", kMaxAnswerTokens + 1));
    if (task.max_tokens == 0) return line.wrong("max_tokens", "must be at least 1");
  }
  return task;
}

std::string trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  text = text.substr(0, text.find('\n'));
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return std::string(text);
}

std::size_t common_prefix(std::span<const TokenId> a, std::span<const TokenId> b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                                  a.begin());
}

// Keeps what the sequence holds and shares with the next ids.
class Reader {
 public:
  explicit Reader(DecoderSession& session) : session_(session) {}

  // Sum of log p of ids[from] and all after it.
  Result<double> log_likelihood(const std::vector<TokenId>& ids, std::uint32_t from) {
    const std::size_t keep = std::min<std::size_t>(common_prefix(held_, ids), from - 1);
    STROP_CHECK(session_.truncate(0, static_cast<std::uint32_t>(keep)));
    held_.clear();
    std::vector<std::uint32_t> wanted;
    for (std::size_t i = from - 1; i + 1 < ids.size(); ++i)
      wanted.push_back(static_cast<std::uint32_t>(i - keep));
    double sum = 0;
    const auto add = [&](std::size_t index, std::span<const float> row) -> Result<void> {
      STROP_TRY(const RowSummary summary, summarise_row(row));
      sum -= negative_log_likelihood(row, summary, ids[keep + wanted.at(index) + 1]);
      return {};
    };
    STROP_CHECK(session_.evaluate(0, std::span(ids).subspan(keep, ids.size() - 1 - keep), wanted,
                                  each_row(add)));
    held_.assign(ids.begin(), ids.end() - 1);
    return sum;
  }
  void forget() { held_.clear(); }

 private:
  DecoderSession& session_;
  std::vector<TokenId> held_;
};

Result<std::uint32_t> most_probable(Reader& reader, const Task& task, const TaskIds& ids) {
  std::uint32_t best = 0;
  double best_score = 0;
  for (std::uint32_t i = 0; i < task.options.size(); ++i) {
    STROP_TRY(const double sum, reader.log_likelihood(ids.with_option[i], ids.scored_from[i]));
    const double score = sum / static_cast<double>(task.options[i].size());
    if (i == 0 || score > best_score) {
      best = i;
      best_score = score;
    }
  }
  return best;
}

Metric share(const char* name, const std::vector<double>& values, const std::string& samples_path,
             const Resampling& resampling) {
  Clusters each{.count = static_cast<std::uint32_t>(values.size())};
  each.cluster_of.resize(values.size());
  std::iota(each.cluster_of.begin(), each.cluster_of.end(), 0u);
  const Estimate estimate = cluster_mean(values, each, resampling);
  Metric metric{.metric = name,
                .unit = "ratio",
                .value = estimate.value,
                .interval = estimate.interval,
                .samples = static_cast<std::uint32_t>(values.size()),
                .samples_path = samples_path,
                .noisy = values.size() < 2};
  if (metric.noisy) metric.interval.reset();
  return metric;
}

}  // namespace

std::string_view name_of(TaskKind kind) { return kKinds.at(static_cast<std::size_t>(kind)); }

Result<std::vector<Task>> parse_tasks(std::string_view jsonl) {
  std::vector<std::pair<std::size_t, Json>> lines;
  std::vector<std::string> labels;
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < jsonl.size();) {
    const std::size_t end = std::min(jsonl.find('\n', begin), jsonl.size());
    const std::string_view text = jsonl.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string what = str("[measure] --eval, line ", number);
    if (text.size() > kMaxText || lines.size() == kMaxTasks)
      return Error{.code = ErrorCode::invalid_input,
                   .message = text.size() > kMaxText
                                  ? str(what, " is longer than ", kMaxText, " bytes")
                                  : str(what, ": there may be at most ", kMaxTasks, " tasks"),
                   .field = "--eval"};
    STROP_TRY(Json json, parse_json(text, what));
    if (!json.is_object())
      return Error{.code = ErrorCode::invalid_input,
                   .message = what + " must be an object",
                   .field = "--eval"};
    if (const auto label = json.find("label");
        label != json.end() && label->is_string() &&
        std::find(labels.begin(), labels.end(), label->get<std::string>()) == labels.end())
      labels.push_back(label->get<std::string>());
    lines.emplace_back(number, std::move(json));
  }
  std::sort(labels.begin(), labels.end());
  std::vector<Task> tasks;
  for (const auto& [at, json] : lines) {
    const Line line{json, at};
    STROP_TRY(Task task, json.contains("choices") ? choice_task(line)
                         : json.contains("label") ? classification_task(line, labels)
                                                  : exact_task(line));
    tasks.push_back(std::move(task));
  }
  if (tasks.empty())
    return Error{.code = ErrorCode::invalid_input,
                 .message = "[measure] --eval holds no task",
                 .field = "--eval"};
  return tasks;
}

Result<std::vector<TaskIds>> tokenize(const std::vector<Task>& tasks, const EncodeText& encode) {
  std::vector<TaskIds> all;
  for (const Task& task : tasks) {
    TaskIds ids;
    STROP_TRY(ids.prompt, encode(task.prompt));
    if (ids.prompt.empty())
      return Error{.code = ErrorCode::invalid_input,
                   .message = "[measure] --eval: a prompt has no token",
                   .field = "prompt"};
    for (const std::string& option : task.options) {
      if (task.kind == TaskKind::exact) break;
      STROP_TRY(auto whole, encode(task.prompt + option));
      // Where the two meet, tokens may differ from the prompt's own.
      const std::size_t from = std::max<std::size_t>(1, common_prefix(ids.prompt, whole));
      if (from >= whole.size())
        return Error{.code = ErrorCode::invalid_input,
                     .message = "[measure] --eval: an option adds no token to its prompt",
                     .field = "choices",
                     .value = option};
      ids.scored_from.push_back(static_cast<std::uint32_t>(from));
      ids.with_option.push_back(std::move(whole));
    }
    all.push_back(std::move(ids));
  }
  return all;
}

Result<std::vector<std::uint32_t>> answer(DecoderSession& session, const std::vector<Task>& tasks,
                                          const std::vector<TaskIds>& ids, const DecodeIds& decode,
                                          TokenId end_of_text, Progress* progress,
                                          std::stop_token stop) {
  std::vector<std::uint32_t> answers;
  Reader reader(session);
  STROP_CHECK(session.truncate(0, 0));
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    STROP_CHECK(check_stop(stop));
    const Task& task = tasks[i];
    if (task.kind != TaskKind::exact) {
      STROP_TRY(answers.emplace_back(), most_probable(reader, task, ids[i]));
    } else {
      reader.forget();
      STROP_CHECK(session.truncate(0, 0));
      STROP_TRY(Generation made, session.generate(0, ids[i].prompt, task.max_tokens, stop));
      made.ids.erase(std::find(made.ids.begin(), made.ids.end(), end_of_text), made.ids.end());
      STROP_TRY(const std::string text, decode(made.ids));
      answers.push_back(trimmed(text) == trimmed(task.options.front()) ? 0 : 1);
      STROP_CHECK(session.truncate(0, 0));
    }
    if (progress)
      progress->report(static_cast<double>(i + 1) / static_cast<double>(tasks.size()), "tasks");
  }
  STROP_CHECK(session.truncate(0, 0));
  return answers;
}

std::vector<Metric> task_metrics(const std::vector<Task>& tasks,
                                 const std::vector<std::uint32_t>& reference,
                                 const std::vector<std::uint32_t>& candidate,
                                 const std::string& samples_path, const Resampling& resampling) {
  STROP_ASSERT(tasks.size() == reference.size() && tasks.size() == candidate.size(),
               "an answer for each task");
  std::vector<Metric> out;
  const auto add = [&](const std::string& domain, const auto& counts) {
    std::vector<double> right, right_reference, change, same;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      if (!counts(tasks[i])) continue;
      right.push_back(candidate[i] == tasks[i].answer);
      right_reference.push_back(reference[i] == tasks[i].answer);
      change.push_back(right.back() - right_reference.back());
      same.push_back(candidate[i] == reference[i]);
    }
    if (right.empty()) return;
    for (Metric metric :
         {share("task_accuracy", right, samples_path, resampling),
          share("task_accuracy_reference", right_reference, samples_path, resampling),
          share("task_accuracy_change", change, samples_path, resampling),
          share("task_agreement", same, samples_path, resampling)}) {
      metric.context.domain = domain;
      out.push_back(std::move(metric));
    }
  };
  add("", [](const Task&) { return true; });
  const bool mixed = std::any_of(tasks.begin(), tasks.end(),
                                 [&](const Task& task) { return task.kind != tasks.front().kind; });
  for (const TaskKind kind : {TaskKind::choice, TaskKind::classification, TaskKind::exact})
    if (mixed) add(std::string(name_of(kind)), [&](const Task& task) { return task.kind == kind; });
  return out;
}

}  // namespace strop::measure
