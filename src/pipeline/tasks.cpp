#include "pipeline/tasks.h"

#include "core/files.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

constexpr std::uint64_t kMaxBytes = 64u << 20;

Result<std::vector<std::uint32_t>> answers_of(const Trial& trial, const EvaluationTasks& tasks,
                                              WorkerSession& worker, Context& context) {
  STROP_TRY(const auto tokenizer, context.tokenizer(tasks.vocabulary));
  StepProgress progress(context, Stage::measure,
                        str(trial.recipe.backend, " ", trial.recipe.name, ": tasks"));
  return measure::answer(
      *worker.session().decoder(), tasks.tasks, tasks.ids,
      [&](std::span<const TokenId> ids) { return tokenizer->decode(ids); }, tokenizer->info().eos,
      &progress, context.stop());
}

}  // namespace

Result<std::vector<measure::Task>> read_tasks(const fs::path& path) {
  STROP_TRY(const std::string text, read_text(path, kMaxBytes));
  return measure::parse_tasks(text);
}

Result<EvaluationTasks> read_evaluation_tasks(const Trial& reference, const Report& report,
                                              Context& context) {
  EvaluationTasks all;
  const std::string& path = context.request().goal.evaluation_tasks;
  if (path.empty()) return all;
  STROP_TRY(all.tasks, read_tasks(path));
  STROP_TRY(all.digest, context.store().digest(path));
  all.vocabulary = fs::path(reference.artifact->folder) / kVocabulary;
  STROP_TRY(const auto tokenizer, context.tokenizer(all.vocabulary));
  STROP_TRY(all.ids, measure::tokenize(all.tasks, [&](const std::string& words) {
              return tokenizer->encode(words, true, false);
            }));
  using Answers = std::vector<TokenId>;  // as the journal keeps whole numbers
  STROP_TRY(const Answers answers,
            context.step<Answers>(Stage::measure, "tasks of the quality reference",
                                  {{"artifact", reference.artifact->id}, {"tasks", all.digest}},
                                  [&]() -> Result<Answers> {
                                    STROP_TRY(const auto worker, open(reference, report, context));
                                    STROP_TRY(const auto made,
                                              answers_of(reference, all, *worker, context));
                                    return Answers(made.begin(), made.end());
                                  }));
  if (answers.size() != all.tasks.size())
    return Error{.code = ErrorCode::corrupt,
                 .message = "[measure] the journal's answers are of other tasks",
                 .field = "--eval"};
  all.reference.assign(answers.begin(), answers.end());
  return all;
}

Result<std::vector<Metric>> measure_tasks(const Trial& trial, const EvaluationTasks& tasks,
                                          WorkerSession& worker, const Report& report,
                                          Context& context) {
  STROP_TRY(const auto answers, answers_of(trial, tasks, worker, context));
  const std::string name =
      str("tasks-", trial.recipe.backend, "-", trial.recipe.name, "-", trial.id, ".json");
  Json samples = Json::array();
  for (std::size_t i = 0; i < answers.size(); ++i)
    samples.push_back({{"kind", measure::name_of(tasks.tasks[i].kind)},
                       {"right", tasks.tasks[i].answer},
                       {"reference", tasks.reference[i]},
                       {"answer", answers[i]}});
  STROP_CHECK(write_whole(context.out() / "samples" / name, text_of(samples) + "\n"));
  return measure::task_metrics(tasks.tasks, tasks.reference, answers, str("samples/", name),
                               {.resamples = 1000, .seed = report.goal.seed});
}

}  // namespace strop::pipeline
