#include "pipeline/sample_questions.h"

#include <array>

#include "formats/model_file.h"
#include "pipeline/golden_records.h"
#include "pipeline/golden_samples.h"
#include "pipeline/samples.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

SampleQuestions of_samples(SampleSet set) {
  SampleQuestions questions{.count = static_cast<std::uint32_t>(set.evaluation.size()),
                            .sample = {},
                            .task = {set.task, set.output},
                            .labels = set.labels,
                            .warning = {}};
  questions.sample = [set = std::move(set)](std::uint32_t i) {
    return read_sample(set, set.evaluation[i]);
  };
  return questions;
}

// None where no record with samples lies beside the artifact.
Result<std::optional<SampleQuestions>> of_record(const Artifact& artifact) {
  const fs::path folder = fs::path(artifact.folder) / kGoldenFolder;
  STROP_TRY(const auto record, first_record(std::array{original_of(folder)}));
  if (!record || record->golden.samples.empty()) return std::optional<SampleQuestions>();
  const std::vector<GoldenSample>& samples = record->golden.samples;
  SampleQuestions questions{
      .count = static_cast<std::uint32_t>(samples.size()),
      .sample = {},
      .task = {},
      .labels = {},
      .warning = str("asked were the ", samples.size(), " samples of ", artifact.entry,
                     "'s golden record only: --data gives more")};
  questions.sample = [samples, folder](std::uint32_t i) -> Result<std::vector<Tensor>> {
    STROP_TRY(RecordedSample recorded, read_recorded(samples[i], folder));
    return std::move(recorded.inputs);
  };
  return std::optional(std::move(questions));
}

}  // namespace

Result<SampleQuestions> questions_for(const Artifact& artifact, Context& context) {
  const Goal& goal = context.request().goal;
  STROP_TRY(const Model model, read_model(fs::path(artifact.folder) / artifact.entry));
  const auto there = check_samples(model, goal);
  if (there) {
    STROP_TRY(SampleSet set, read_samples(model, context));
    return of_samples(std::move(set));
  }
  // Not every format says what a model takes, and not everybody has samples at hand.
  if (goal.evaluation_data.empty()) {
    STROP_TRY(auto recorded, of_record(artifact));
    if (recorded) return *std::move(recorded);
  }
  return there.error();
}

}  // namespace strop::pipeline
