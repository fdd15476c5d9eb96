#include "assess/assess.h"

#include <algorithm>

#include "core/units.h"
#include "strop/result.h"

namespace strop {
namespace {

constexpr std::uint64_t kLarge = 7'000'000'000;
constexpr std::uint32_t kLongBlock = 256;

struct Strategy {
  std::string name;
  std::string reason;
};

Strategy strategy_for(const Model& model, const Target& target) {
  if (target.platform == "apple") return {"apple", "the target is of Apple"};
  if (target.platform == "intel") return {"intel", "the target is of Intel"};
  if (!model.parameter_count) return {"lightweight", "the model does not say that it is large"};
  const std::string count = number_text(static_cast<double>(*model.parameter_count) / 1e9);
  if (*model.parameter_count > kLarge)
    return {"enterprise", str(count, " billion parameters are more than 7 billion")};
  return {"lightweight", str(count, " billion parameters are at most 7 billion")};
}

// Keys and values of one layer are at most as wide as the residual stream, two bytes each.
std::uint64_t cache_bytes(const Model& model, const Goal& goal) {
  if (model.kind != ModelKind::llm || !model.layer_count || !model.width) return 0;
  const std::uint64_t tokens =
      goal.workload.prompt_tokens + std::uint64_t{goal.workload.new_tokens};
  return 4 * tokens * *model.layer_count * *model.width;
}

std::optional<std::uint64_t> memory_estimate(const Model& model, const Goal& goal) {
  if (model.weight_bytes == 0) return std::nullopt;
  // A tenth for activations and the engine's buffers.
  return model.weight_bytes + model.weight_bytes / 10 + cache_bytes(model, goal);
}

// Decoding reads every weight for each token; a model of another kind computes with each many
// times.
Bottleneck bottleneck_of(const Model& model, const Target& target,
                         std::optional<std::uint64_t> memory) {
  if (memory && target.memory_bytes > 0 && *memory > target.memory_bytes)
    return Bottleneck::capacity;
  return model.kind == ModelKind::llm ? Bottleneck::bandwidth : Bottleneck::compute;
}

bool can_run(const BackendFit& fit) { return fit.fit.supported && !fit.space.recipes.empty(); }

std::vector<std::string> warnings_about(const Model& model, const Target& target, const Goal& goal,
                                        const std::vector<BackendFit>& fits,
                                        std::optional<std::uint64_t> memory) {
  std::vector<std::string> warnings;
  if (!target.local)
    warnings.push_back(str("Timings of ", target.name, " cannot be measured on this machine."));
  if (memory && target.memory_bytes > 0 && *memory > target.memory_bytes)
    warnings.push_back(str("The original needs about ", bytes_text(*memory), ", more than the ",
                           bytes_text(target.memory_bytes), " of the target."));
  if (target.storage_bytes > 0 && 2 * model.weight_bytes > target.storage_bytes)
    warnings.push_back(
        str("Artifacts may not fit: ", bytes_text(target.storage_bytes), " of storage are free."));
  const std::uint64_t wanted =
      goal.workload.prompt_tokens + std::uint64_t{goal.workload.new_tokens};
  if (model.kind == ModelKind::llm && model.context_length && wanted > *model.context_length)
    warnings.push_back(str("The workload has ", wanted, " tokens, the model's context ",
                           *model.context_length, "."));
  if (model.context_length && goal.workload.evaluation_context > *model.context_length)
    warnings.push_back(
        str("Evaluation is limited to the model's context of ", *model.context_length, " tokens."));
  if (!model.source_grid.empty())
    warnings.push_back(
        str("The weights already lie on the grid of ", model.source_grid,
            ": a recipe of that type loses nothing here, which says nothing about other models."));
  if (model.width && *model.width % kLongBlock != 0)
    warnings.push_back(str(
        "The width ", *model.width, " is no multiple of ", kLongBlock,
        ": types with blocks that long (the K types) fall back to wider ones in most tensors."));
  if (std::none_of(fits.begin(), fits.end(), can_run))
    warnings.push_back("No installed framework can run this model.");
  return warnings;
}

}  // namespace

Assessment assess(const Model& model, const Target& target, const Goal& goal,
                  const std::vector<BackendFit>& fits) {
  const Strategy strategy = strategy_for(model, target);
  const auto memory = memory_estimate(model, goal);
  return {.model_id = model.id,
          .target_id = target.id,
          .strategy = strategy.name,
          .strategy_reason = strategy.reason,
          .fits = fits,
          .memory_estimate_bytes = memory,
          .bottleneck = bottleneck_of(model, target, memory),
          .warnings = warnings_about(model, target, goal, fits, memory)};
}

}  // namespace strop
