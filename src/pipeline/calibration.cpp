#include "pipeline/calibration.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "core/files.h"
#include "formats/npz.h"
#include "pipeline/contestant.h"
#include "pipeline/evaluation_text.h"
#include "pipeline/optimize.h"
#include "pipeline/samples.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

constexpr std::size_t kTokens = 256;      // of a sample, the last of a document may be shorter
constexpr std::size_t kLeastTokens = 32;  // of a sample that is worth its time
constexpr std::uint32_t kMostSamples = 128;
constexpr const char* kList = "samples.json";

const Recipe* baseline_recipe(const Report& report) {
  const auto* const found = find_trial(report.plan->trials, Role::baseline);
  return found ? &found->recipe : nullptr;
}

Tensor input_ids(std::span<const TokenId> ids) {
  Tensor tensor{.name = "input_ids",
                .type = ElementType::i64,
                .shape = {1, static_cast<std::int64_t>(ids.size())},
                .data = {}};
  tensor.data.resize(ids.size() * sizeof(std::int64_t));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::int64_t id = ids[i];
    std::memcpy(tensor.data.data() + i * sizeof id, &id, sizeof id);
  }
  return tensor;
}

std::string sample_name(std::uint32_t number) {
  char name[16];
  std::snprintf(name, sizeof name, "%06u.npz", number);
  return name;
}

// Each document in samples of kTokens.
Result<Artifact> write_samples(const std::vector<std::vector<TokenId>>& documents,
                               const fs::path& folder) {
  Artifact artifact{.format = "samples", .entry = kList};
  std::uint32_t count = 0;
  for (const auto& ids : documents) {
    for (std::size_t begin = 0; begin < ids.size() && count < kMostSamples; begin += kTokens) {
      const std::size_t size = std::min(kTokens, ids.size() - begin);
      if (size < kLeastTokens) break;
      const Tensor sample = input_ids(std::span(ids).subspan(begin, size));
      const std::string name = sample_name(count++);
      STROP_CHECK(formats::write_npz(folder / name, std::span(&sample, 1)));
      artifact.files.push_back({.path = name});
    }
  }
  STROP_CHECK(write_whole(folder / kList, text_of({{"count", count}})));
  artifact.files.push_back({.path = kList});
  return artifact;
}

// Strop's own calibration text in the model's tokens; the baseline brings the tokenizer.
Result<CalibrationSet> text_set(const Report& report, Context& context) {
  const Recipe* recipe = baseline_recipe(report);
  if (!recipe)
    return Error{
        .code = ErrorCode::invalid_input,
        .message = "[optimize] the plan has no baseline, whose tokenizer calibration needs",
        .field = "plan.trials"};
  STROP_TRY(const Artifact baseline, artifact_of(*recipe, report, context));
  const fs::path text = context.where().share / "text" / "calibration";
  STROP_TRY(const std::string digest, context.store().digest_tree(text));
  const std::string id = id_of({{"calibration", digest},
                                {"model", report.model->id},
                                {"tokens", kTokens},
                                {"samples", kMostSamples}});
  const auto make = [&](const fs::path& folder) -> Result<Artifact> {
    STROP_TRY(const auto documents, tokens_of_folder(text, baseline, context));
    STROP_TRY(Artifact artifact, write_samples(documents, folder));
    artifact.model_id = report.model->id;
    return artifact;
  };
  STROP_TRY(const Artifact samples, context.store().artifact(id, make));
  return CalibrationSet{.folder = samples.folder,
                        .id = samples.id,
                        .samples = static_cast<std::uint32_t>(samples.files.size() - 1)};
}

}  // namespace

bool needs_calibration(const Step& step) { return step.params.contains(kCalibrationParam); }

bool needs_calibration(const Recipe& recipe) {
  return std::any_of(recipe.steps.begin(), recipe.steps.end(),
                     [](const Step& step) { return needs_calibration(step); });
}

Result<CalibrationSet> calibration_set(const Report& report, Context& context) {
  if (!runs_on_tensors(*report.model)) return text_set(report, context);
  STROP_TRY(const SampleSet set, read_samples(*report.model, context));
  return CalibrationSet{.folder = set.calibration_count > 0 ? set.calibration : fs::path(),
                        .id = set.calibration_id,
                        .samples = set.calibration_count};
}

Result<std::string> why_no_calibration(const Report& report, Context& context) {
  if (!runs_on_tensors(*report.model)) return std::string();
  const auto asks = [](const BackendFit& fit) {
    return std::any_of(fit.space.recipes.begin(), fit.space.recipes.end(),
                       [](const Recipe& recipe) { return needs_calibration(recipe); });
  };
  const auto& fits = report.assessment->fits;
  if (std::none_of(fits.begin(), fits.end(), asks)) return std::string();
  const auto set = read_samples(*report.model, context);
  if (!set) {
    if (!report.goal.evaluation_data.empty() || ends_the_run(set.error())) return set.error();
    return std::string("needs --data: it learns from samples of what the model will see");
  }
  if (set->calibration_count == 0)
    return str("needs more samples: all ", set->evaluation.size(),
               " of --data are needed to evaluate on");
  return std::string();
}

}  // namespace strop::pipeline
