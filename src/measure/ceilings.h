// The most that a machine allows, measured beside the artifacts: how fast its threads stream from
// memory together, and how many multiplications and additions in f32 they do. Decode and prefill
// are held against both.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "measure/statistics.h"
#include "strop/measurement.h"
#include "strop/result.h"

namespace strop::measure {

struct MachineCeilings {
  double bytes_per_second = 0;       // read
  double operations_per_second = 0;  // a multiplication and an addition are two
  std::uint32_t threads = 0;
  bool operator==(const MachineCeilings&) const = default;
};

// Takes about `seconds`. The best of several passes: others can only slow it down. buffer_bytes
// must be several times the last cache. Fails with out_of_memory when the buffer cannot be had.
Result<MachineCeilings> measure_ceilings(std::uint32_t threads, double seconds,
                                         std::uint64_t buffer_bytes);

// Four times what the system says of the last cache, between 64 MiB and 1 GiB; 256 MiB where it
// does not say.
std::uint64_t buffer_for_cache(std::optional<std::uint64_t> last_cache_bytes);

// What one token costs an artifact.
struct TokenCost {
  std::uint64_t weight_bytes = 0;    // all that a token reads
  std::uint64_t cache_bytes = 0;     // keys and values at this depth
  std::uint64_t parameters = 0;      // each multiplied and added once
  std::uint32_t tokens_at_once = 1;  // a prompt reads the weights once for so many
};

// Phase "decode" or "prefill" at this rate. Nothing when a part is not known or not positive.
std::optional<Ceiling> ceiling_of(const std::string& phase, const TokenCost& cost,
                                  const MachineCeilings& machine, const Metric& rate);

}  // namespace strop::measure
