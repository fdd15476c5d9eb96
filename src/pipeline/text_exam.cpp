// Models of text: a prompt and its greedy continuation are timed, the logits at every position of a
// text are judged.
#include <algorithm>

#include "measure/ruler.h"
#include "pipeline/exam.h"
#include "pipeline/quality.h"

namespace strop::pipeline {
namespace {

constexpr std::uint32_t kScreenTokens = 24;  // new ones of a screening; its prompt is the goal's
constexpr std::uint32_t kEmptyCacheRequests = 3;
constexpr std::size_t kGlanceTokens = 64;

EvaluationText front_of(const EvaluationText& text) {
  EvaluationText front;
  front.evaluation.sequences = {text.evaluation.sequences.front()};
  auto& ids = front.evaluation.sequences.front();
  ids.resize(std::min(ids.size(), kGlanceTokens));
  return front;
}

class TextExam : public Exam {
 public:
  TextExam(Workload workload, Trial reference, EvaluationText text, std::filesystem::path record)
      : workload_(std::move(workload)),
        reference_(std::move(reference)),
        text_(std::move(text)),
        record_(std::move(record)) {}

  std::string id() const override { return measure::digest(text_.evaluation); }
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
    return continuation(name, worker, text_.prompt, std::min(most, workload_.new_tokens), stop);
  }
  std::vector<Metric> request_metrics(std::span<const measure::Request> requests) const override {
    return measure::request_metrics(requests, workload_.prompt_tokens);
  }

  // The decode rate with an almost empty cache.
  Further further_metrics(WorkerSession& worker, std::stop_token stop) const override {
    const auto quick =
        continuation("depth 0", worker, {text_.prompt.front()}, workload_.new_tokens, stop);
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
    return measure_quality(trial, text_, record_, report, context);
  }

  Result<Metric> glance(const Trial& trial, const Report& report, Context& context) const override {
    const EvaluationText front = front_of(text_);
    STROP_TRY(const auto record, make_quality_reference(reference_, front, report, context));
    STROP_TRY(const auto worker, open(trial, report, context));
    STROP_TRY(auto reader, measure::ReferenceReader::open(record));
    STROP_TRY(const auto samples, measure::score(*worker->session().decoder(), front.evaluation,
                                                 reader, nullptr, context.stop()));
    return Metric{.metric = distance(),
                  .unit = "nats",
                  .value = measure::mean(samples.kl),
                  .samples = static_cast<std::uint32_t>(samples.size())};
  }

 private:
  Workload workload_;
  Trial reference_;
  EvaluationText text_;
  std::filesystem::path record_;  // the reference's answers
};

}  // namespace

measure::Contestant continuation(const std::string& name, WorkerSession& worker,
                                 std::vector<TokenId> prompt, std::uint32_t new_tokens,
                                 std::stop_token stop) {
  DecoderSession* decoder = worker.session().decoder();
  return {.name = name,
          .request = [decoder, prompt = std::move(prompt), new_tokens,
                      stop]() -> Result<measure::Request> {
            STROP_CHECK(decoder->truncate(0, 0));
            STROP_TRY(auto generation, decoder->generate(0, prompt, new_tokens, stop));
            return measure::Request{std::move(generation.seconds)};
          }};
}

Result<std::unique_ptr<Exam>> make_text_exam(const Trial& baseline, const Trial& reference,
                                             const Report& report, Context& context) {
  STROP_TRY(EvaluationText text, read_evaluation_text(*baseline.artifact, context));
  STROP_TRY(auto record, make_quality_reference(reference, text, report, context));
  return std::unique_ptr<Exam>(std::make_unique<TextExam>(report.goal.workload, reference,
                                                          std::move(text), std::move(record)));
}

}  // namespace strop::pipeline
