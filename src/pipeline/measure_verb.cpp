// What strop measure does outside of a run.
#include "strop/measure.h"

#include "pipeline/contrast.h"
#include "pipeline/load.h"
#include "report/contrast.h"

namespace strop {
Result<Contrast> contrast(const std::string& first, const std::string& second, double margin,
                          const RunRequest& request, Observer& observer, std::stop_token stop) {
  const bool runs = pipeline::is_run(first);
  if (runs != pipeline::is_run(second))
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("[measure] ", runs ? first : second, " is a run and ",
                                runs ? second : first, " is none"),
                 .hint = "Compare two artifacts, or two runs.",
                 .field = "B",
                 .value = second};
  if (runs) return pipeline::contrast_runs(first, second, margin);
  STROP_TRY(Store store, Store::open_default());
  pipeline::Context context(request, observer, stop, std::move(store), std::nullopt);
  return pipeline::contrast_artifacts(first, second, margin, context);
}

Result<LoadOutcome> measure_load(const std::string& artifact, const LoadRequest& load,
                                 const RunRequest& request, Observer& observer,
                                 std::stop_token stop) {
  STROP_TRY(Store store, Store::open_default());
  pipeline::Context context(request, observer, stop, std::move(store), std::nullopt);
  return pipeline::load_artifact(artifact, load, context);
}

std::string to_terminal(const Contrast& contrast, std::size_t width, bool unicode) {
  return contrast_text(contrast, width, unicode);
}
std::string to_terminal(const LoadOutcome& outcome, std::size_t width, bool unicode) {
  return load_text(outcome, width, unicode);
}

}  // namespace strop
