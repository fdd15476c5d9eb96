// Models of text: a prompt and its greedy continuation are timed, the logits at every position of a
// text are judged.
#include <algorithm>

#include "measure/ruler.h"
#include "pipeline/exam.h"
#include "pipeline/golden.h"
#include "pipeline/quality.h"

namespace strop::pipeline {
namespace {

constexpr std::uint32_t kScreenTokens = 24;  // new ones of a screening; its prompt is the goal's
constexpr std::uint32_t kEmptyCacheRequests = 3;
constexpr std::size_t kGlanceTokens = 64;
constexpr std::size_t kMostPrompts = 64;

EvaluationText front_of(const EvaluationText& text) {
  EvaluationText front;
  front.evaluation.sequences = {text.evaluation.sequences.front()};
  auto& ids = front.evaluation.sequences.front();
  ids.resize(std::min(ids.size(), kGlanceTokens));
  return front;
}

// Pieces of the evaluated text as long as the timed prompt, from all over it; the timed prompt
// where no sequence is that long.
std::vector<std::vector<TokenId>> prompts_of(const EvaluationText& text) {
  const std::size_t length = text.prompt.size();
  std::vector<std::vector<TokenId>> prompts;
  for (std::size_t piece = 0; prompts.size() < kMostPrompts; ++piece) {
    const std::size_t before = prompts.size();
    for (const auto& ids : text.evaluation.sequences) {
      if (ids.size() < (piece + 1) * length || prompts.size() == kMostPrompts) continue;
      const auto first = ids.begin() + static_cast<std::ptrdiff_t>(piece * length);
      prompts.emplace_back(first, first + static_cast<std::ptrdiff_t>(length));
    }
    if (prompts.size() == before) break;
  }
  if (prompts.empty()) prompts.push_back(text.prompt);
  return prompts;
}

class TextExam : public Exam {
 public:
  TextExam(Workload workload, Trial reference, QualityInputs inputs, std::filesystem::path record)
      : workload_(workload),
        reference_(std::move(reference)),
        inputs_(std::move(inputs)),
        record_(std::move(record)) {}

  std::string id() const override {
    return measure::digest(inputs_.text.evaluation) + inputs_.tasks.digest;
  }
  std::string request_text() const override {
    return str(workload_.prompt_tokens, " prompt + ", workload_.new_tokens, " new tokens");
  }
  MetricContext context() const override {
    return {.prompt_tokens = workload_.prompt_tokens, .new_tokens = workload_.new_tokens};
  }

  std::string distance() const override { return "kl_mean"; }

  measure::Contestant contestant(const std::string& name, WorkerSession& worker, Length length,
                                 std::stop_token stop) const override {
    const std::uint32_t most = length == Length::screening ? kScreenTokens : workload_.new_tokens;
    return continuation(name, worker, {inputs_.text.prompt}, std::min(most, workload_.new_tokens),
                        stop);
  }
  measure::Contestant varied_contestant(const std::string& name, WorkerSession& worker,
                                        std::stop_token stop) const override {
    return continuation(name, worker, prompts_of(inputs_.text), workload_.new_tokens, stop);
  }
  std::vector<Metric> request_metrics(std::span<const measure::Request> requests) const override {
    return measure::request_metrics(requests, workload_.prompt_tokens);
  }

  // The decode rate with an almost empty cache.
  Further further_metrics(WorkerSession& worker, std::stop_token stop) const override {
    const auto quick = continuation("depth 0", worker, {{inputs_.text.prompt.front()}},
                                    workload_.new_tokens, stop);
    std::vector<measure::Request> requests;
    for (std::uint32_t i = 0; i < kEmptyCacheRequests; ++i) {
      auto request = quick.request();
      if (!request) return {};
      requests.push_back(*std::move(request));
    }
    auto metrics = measure::request_metrics(requests, 1);
    std::erase_if(metrics, [](const Metric& metric) { return metric.metric != "decode_rate"; });
    return {std::move(metrics), {{"depth 0", std::move(requests)}}};
  }

  Result<Measurement> quality(const Trial& trial, const Report& report,
                              Context& context) const override {
    return measure_quality(trial, inputs_, record_, report, context);
  }

  Result<Glance> glance(const Trial& trial, const Report& report, Context& context) const override {
    const EvaluationText front = front_of(inputs_.text);
    STROP_TRY(const auto record, make_quality_reference(reference_, front, report, context));
    STROP_TRY(const auto worker, open(trial, report, context));
    STROP_TRY(auto reader, measure::ReferenceReader::open(record));
    STROP_TRY(const auto samples, measure::score(*worker->session().decoder(), front.evaluation,
                                                 reader, nullptr, context.stop()));
    return Glance{{.metric = distance(),
                   .unit = "nats",
                   .value = measure::mean(samples.kl),
                   .samples = static_cast<std::uint32_t>(samples.size())},
                  worker->session().info().run_options};
  }

 private:
  Workload workload_;
  Trial reference_;
  QualityInputs inputs_;
  std::filesystem::path record_;  // the reference's answers
};

}  // namespace

measure::Contestant continuation(const std::string& name, WorkerSession& worker,
                                 std::vector<std::vector<TokenId>> prompts,
                                 std::uint32_t new_tokens, std::stop_token stop) {
  DecoderSession* decoder = worker.session().decoder();
  return {.name = name,
          .request = [decoder, prompts = std::move(prompts), next = std::size_t{0}, new_tokens,
                      stop]() mutable -> Result<measure::Request> {
            const auto& prompt = prompts[next++ % prompts.size()];
            STROP_CHECK(decoder->truncate(0, 0));
            STROP_TRY(auto generation, decoder->generate(0, prompt, new_tokens, stop));
            return measure::Request{std::move(generation.seconds)};
          }};
}

Result<std::unique_ptr<Exam>> make_text_exam(const Trial& baseline, const Trial& reference,
                                             const Report& report, Context& context) {
  QualityInputs inputs;
  STROP_TRY(inputs.text,
            read_evaluation_text(*baseline.artifact, report.model->context_length, context));
  STROP_TRY(auto record, make_quality_reference(reference, inputs.text, report, context));
  STROP_CHECK(record_original(reference, report, context));
  STROP_TRY(inputs.tasks, read_evaluation_tasks(reference, report, context));
  return std::unique_ptr<Exam>(std::make_unique<TextExam>(report.goal.workload, reference,
                                                          std::move(inputs), std::move(record)));
}

}  // namespace strop::pipeline
