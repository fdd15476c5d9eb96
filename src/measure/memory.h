// Peak memory from samples of a process tree. The sampling itself is the operating system's part in
// core.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "strop/measurement.h"

namespace strop::measure {

// Resident bytes of a process tree at one moment.
struct MemorySample {
  std::uint64_t anonymous = 0;
  std::uint64_t shared = 0;
  std::uint64_t file = 0;  // mapped files, the weights among them
  std::uint64_t total() const { return anonymous + shared + file; }
  bool operator==(const MemorySample&) const = default;
};

// The moment with the largest total: parts of different moments would add up to memory that was
// never in use.
std::optional<MemorySample> peak_of(std::span<const MemorySample> samples);

// peak_memory and its parts peak_memory_anonymous, peak_memory_shared and peak_memory_file, in
// bytes, of the peaks of fresh processes that did the same work: the largest of them. Nothing when
// there is no peak.
std::vector<Metric> memory_metrics(std::span<const MemorySample> peaks,
                                   const MetricContext& context = {});

}  // namespace strop::measure
