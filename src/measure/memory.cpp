#include "measure/memory.h"

#include <algorithm>

namespace strop::measure {

std::optional<MemorySample> peak_of(std::span<const MemorySample> samples) {
  const auto largest =
      std::max_element(samples.begin(), samples.end(),
                       [](const auto& a, const auto& b) { return a.total() < b.total(); });
  if (largest == samples.end()) return {};
  return *largest;
}

std::vector<Metric> memory_metrics(std::span<const MemorySample> peaks,
                                   const MetricContext& context) {
  const std::optional<MemorySample> peak = peak_of(peaks);
  if (!peak) return {};
  const auto metric = [&](const char* name, std::uint64_t bytes) {
    return Metric{.metric = name,
                  .unit = "bytes",
                  .context = context,
                  .value = static_cast<double>(bytes),
                  .samples = static_cast<std::uint32_t>(peaks.size())};
  };
  return {metric("peak_memory", peak->total()), metric("peak_memory_anonymous", peak->anonymous),
          metric("peak_memory_shared", peak->shared), metric("peak_memory_file", peak->file)};
}

}  // namespace strop::measure
