#include "measure/ceilings.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <new>
#include <thread>
#include <vector>

#include "measure/ceiling_kernels.h"

namespace strop::measure {
namespace {

using SteadyTime = std::chrono::steady_clock;

double seconds_since(SteadyTime::time_point begin) {
  return std::chrono::duration<double>(SteadyTime::now() - begin).count();
}

// Every thread does `work(thread)` from one start signal on; the seconds of the slowest.
template <class Work>
double together(std::uint32_t threads, const Work& work) {
  std::atomic<std::uint32_t> ready{0};
  std::atomic<bool> go{false};
  std::vector<double> took(threads);
  std::vector<std::jthread> crew;
  SteadyTime::time_point begin;
  for (std::uint32_t i = 0; i < threads; ++i)
    crew.emplace_back([&, i] {
      ++ready;
      while (!go.load(std::memory_order_acquire)) std::this_thread::yield();
      work(i);
      took[i] = seconds_since(begin);
    });
  while (ready.load() < threads) std::this_thread::yield();
  begin = SteadyTime::now();
  go.store(true, std::memory_order_release);
  crew.clear();
  return *std::max_element(took.begin(), took.end());
}

// Units per second of the fastest pass; at least three passes.
template <class Pass>
double best_rate(double seconds, double units, const Pass& pass) {
  const auto begin = SteadyTime::now();
  double best = 0;
  for (int passes = 0; passes < 3 || seconds_since(begin) < seconds; ++passes)
    best = std::max(best, units / pass());
  return best;
}

}  // namespace

std::uint64_t buffer_for_cache(std::optional<std::uint64_t> last_cache_bytes) {
  if (!last_cache_bytes) return 256ull << 20;
  return std::clamp<std::uint64_t>(4 * *last_cache_bytes, 64ull << 20, 1ull << 30);
}

Result<MachineCeilings> measure_ceilings(std::uint32_t threads, double seconds,
                                         std::uint64_t buffer_bytes) {
  STROP_ASSERT(threads > 0 && buffer_bytes >= threads * 4096ull, threads, " threads, ",
               buffer_bytes, " bytes");
  const std::size_t words = buffer_bytes / sizeof(float) / threads;
  std::vector<std::vector<float>> parts(threads);
  std::vector<float> results(threads);
  std::atomic<bool> no_memory{false};
  // Each thread writes its own part first, so that the pages lie near it.
  together(threads, [&](std::uint32_t i) {
    try {
      parts[i].assign(words, 1.0f);
    } catch (const std::bad_alloc&) {
      no_memory = true;
    }
  });
  if (no_memory)
    return Error{ErrorCode::out_of_memory,
                 str("[measure] no ", buffer_bytes >> 20, " MiB for measuring the bandwidth")};
  MachineCeilings found{.threads = threads};
  found.bytes_per_second =
      best_rate(seconds / 2, static_cast<double>(words * sizeof(float)) * threads, [&] {
        return together(threads, [&](std::uint32_t i) { results[i] += read_and_sum(parts[i]); });
      });
  constexpr std::uint64_t kRounds = 4'000'000;
  found.operations_per_second =
      best_rate(seconds / 2, static_cast<double>(kRounds * operations_per_round()) * threads, [&] {
        return together(threads, [&](std::uint32_t i) { results[i] += multiply_add(kRounds); });
      });
  // Read, so that nothing of the above can be left out.
  volatile float kept = 0;
  for (float result : results) kept = kept + result;
  return found;
}

std::optional<Ceiling> ceiling_of(const std::string& phase, const TokenCost& cost,
                                  const MachineCeilings& machine, const Metric& rate) {
  if (cost.weight_bytes == 0 || cost.parameters == 0 || cost.tokens_at_once == 0 ||
      !(machine.bytes_per_second > 0) || !(machine.operations_per_second > 0) || !(rate.value > 0))
    return {};
  Ceiling ceiling{.phase = phase,
                  .bytes = cost.weight_bytes / cost.tokens_at_once + cost.cache_bytes,
                  .operations = 2 * cost.parameters,
                  .bytes_per_second = machine.bytes_per_second,
                  .operations_per_second = machine.operations_per_second};
  const double by_bandwidth =
      machine.bytes_per_second / static_cast<double>(std::max<std::uint64_t>(1, ceiling.bytes));
  const double by_compute = machine.operations_per_second / static_cast<double>(ceiling.operations);
  ceiling.binds = by_bandwidth <= by_compute ? Bottleneck::bandwidth : Bottleneck::compute;
  ceiling.tokens_per_second = std::min(by_bandwidth, by_compute);
  ceiling.share = rate.value / ceiling.tokens_per_second;
  if (rate.interval)
    ceiling.interval =
        Interval{rate.interval->low / ceiling.tokens_per_second,
                 rate.interval->high / ceiling.tokens_per_second, rate.interval->confidence};
  return ceiling;
}

}  // namespace strop::measure
