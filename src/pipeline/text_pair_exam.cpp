// Two decoders: the same prompt continued by both, then the same token ids through both.
#include <algorithm>
#include <cmath>

#include "core/units.h"
#include "measure/ruler.h"
#include "pipeline/artifact_source.h"
#include "pipeline/exam.h"
#include "pipeline/pair_exam.h"

namespace strop::pipeline {
namespace {

using measure::Better;
using measure::RatioEvidence;

constexpr std::size_t kLeastScored = 256;  // tokens
constexpr std::size_t kCluster = 256;      // tokens that are drawn together

// What both read, or why there is no text.
struct Text {
  std::vector<TokenId> prompt;
  measure::Evaluation evaluation;
  std::string missing;
};

// Both tokenizers must cut the same text into the same ids, or the ids mean different things.
Result<void> check_same_tokenizer(const Artifact& first, const Artifact& second, Context& context) {
  constexpr std::string_view kSample =
      "Does it cut alike? 3.14159 caf\u00e9 \u2014 naïve, don't; \tx = f(y)[2];\n\n\u4f60\u597d";
  STROP_TRY(const auto one, tokenizer_of(first, context));
  STROP_TRY(const auto other, tokenizer_of(second, context));
  STROP_TRY(const auto ids, one->encode(kSample, true, false));
  STROP_TRY(const auto other_ids, other->encode(kSample, true, false));
  if (ids == other_ids && one->info().vocabulary_size == other->info().vocabulary_size) return {};
  return Error{.code = ErrorCode::invalid_input,
               .message =
                   "the two have different tokenizers, so their likelihoods per token are "
                   "not comparable"};
}

// Sequences no longer than both contexts, as many tokens as the time allows.
measure::Evaluation affordable(const measure::Evaluation& all, std::size_t longest,
                               std::size_t tokens) {
  measure::Evaluation some;
  std::size_t taken = 0;
  for (const auto& sequence : all.sequences) {
    for (std::size_t begin = 0; begin + 1 < sequence.size() && taken < tokens; begin += longest) {
      const std::size_t end =
          std::min({sequence.size(), begin + longest, begin + tokens - taken + 1});
      some.sequences.emplace_back(sequence.begin() + static_cast<std::ptrdiff_t>(begin),
                                  sequence.begin() + static_cast<std::ptrdiff_t>(end));
      taken += end - begin;
    }
  }
  return some;
}

Columns to_first_token(const measure::Timing& timing) {
  return columns_of(timing, [](const measure::Request& r) { return r.seconds.front() * 1000; });
}

// Likelihoods of the second against the first's, and how far its predictions are from the first's.
std::vector<Difference> likelihoods(const measure::QualitySamples& samples, double margin) {
  const measure::Clusters clusters = measure::clusters_of(samples, kCluster);
  const auto pairs = static_cast<std::uint32_t>(samples.size());
  const measure::Estimate kl = measure::cluster_mean(samples.kl, clusters);
  const bool one_run = clusters.count < 2;
  const Difference distance =
      apart({.metric = "kl_mean",
             .unit = "nats",
             .value = kl.value,
             .interval = one_run ? std::nullopt : std::optional(kl.interval),
             .samples = pairs},
            measure::kSameKl,
            str("KL from the first's predictions to the second's is ", number_text(kl.value),
                " nats; up to ", measure::kSameKl, " they count as the same"));

  std::vector<double> gains(samples.size());
  std::transform(samples.nll_candidate.begin(), samples.nll_candidate.end(),
                 samples.nll_reference.begin(), gains.begin(), std::minus<>());
  const measure::Estimate ratio = measure::cluster_exp_mean(gains, clusters);
  const RatioEvidence evidence{.ratio = ratio.value,
                               .interval = one_run ? std::nullopt : std::optional(ratio.interval)};
  return {distance,
          judged("perplexity", "ratio", std::exp(measure::mean(samples.nll_reference)),
                 std::exp(measure::mean(samples.nll_candidate)), evidence, Better::lower,
                 std::min(margin, kAccuracyMargin), pairs, "perplexity on the same tokens")};
}

class TextPairExam : public PairExam {
 public:
  TextPairExam(Text text, std::uint32_t new_tokens, std::uint32_t longest)
      : text_(std::move(text)), new_tokens_(new_tokens), longest_(longest) {}

  measure::Contestant contestant(const std::string& name, WorkerSession& worker,
                                 std::stop_token stop) const override {
    return continuation(name, worker, {text_.prompt}, new_tokens_, std::move(stop));
  }

  std::vector<Difference> parts_of_request(const measure::Timing& timing,
                                           double margin) const override {
    std::vector<Difference> out{timed("time_to_first_token", "ms", to_first_token(timing),
                                      Better::lower, margin, "time to first token")};
    if (new_tokens_ < 2) return out;
    const auto rate = [](const measure::Request& r) {
      return static_cast<double>(r.seconds.size() - 1) / (r.seconds.back() - r.seconds.front());
    };
    out.push_back(timed("decode_rate", "tokens/s", columns_of(timing, rate), Better::higher, margin,
                        "decode rate"));
    return out;
  }

  Result<std::vector<Difference>> quality(WorkerSession& first, WorkerSession& second,
                                          const measure::Timing& timing, double margin,
                                          double seconds, Context& context) const override {
    if (!text_.missing.empty())
      return std::vector{unmeasured("kl_mean", text_.missing),
                         unmeasured("perplexity", text_.missing)};
    // A prompt tells what a token costs both of them.
    const Columns prompts = to_first_token(timing);
    const double prompt_seconds =
        (measure::median(prompts.first) + measure::median(prompts.second)) / 1000;
    const double token_seconds = prompt_seconds / static_cast<double>(text_.prompt.size());
    const auto affords = static_cast<std::size_t>(seconds / std::max(token_seconds, 1e-9));
    StepProgress progress(context, Stage::measure, "the same text through both");
    STROP_TRY(const auto samples,
              measure::score_in_step(
                  *first.session().decoder(), *second.session().decoder(),
                  affordable(text_.evaluation, longest_, std::max(affords, kLeastScored)),
                  &progress, context.stop()));
    return likelihoods(samples, margin);
  }

  std::string warning() const override {
    return text_.missing.empty() ? "" : "the prompt is of random ids: " + text_.missing;
  }

 private:
  Text text_;
  std::uint32_t new_tokens_, longest_;
};

}  // namespace

Result<std::unique_ptr<PairExam>> make_text_pair_exam(const Artifact& first, WorkerSession& one,
                                                      const Artifact& second, WorkerSession& other,
                                                      Context& context) {
  const Goal& goal = context.request().goal;
  const SessionInfo &info = one.session().info(), &other_info = other.session().info();
  Text text;
  const auto found = [&]() -> Result<EvaluationText> {
    STROP_CHECK(check_same_tokenizer(first, second, context));
    return text_for(first, context);
  }();
  if (found) {
    text.prompt = found->prompt;
    text.evaluation = found->evaluation;
    if (info.vocabulary_size != other_info.vocabulary_size)
      text.missing = "their rows of logits differ in width";
  } else {
    text.prompt = random_ids(goal.workload.prompt_tokens,
                             std::min(info.vocabulary_size, other_info.vocabulary_size), goal.seed);
    text.missing = found.error().message;
  }
  return std::unique_ptr<PairExam>(
      std::make_unique<TextPairExam>(std::move(text), goal.workload.new_tokens,
                                     std::min(info.context_length, other_info.context_length)));
}

}  // namespace strop::pipeline
