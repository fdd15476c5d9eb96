#include "measure/speed.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/stop.h"

namespace strop::measure {
namespace {

class SteadyClock : public Clock {
 public:
  double seconds() override {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

using Round = std::vector<Request>;  // one request of each contestant, in the contestants' order

Result<Request> timed_request(const Contestant& contestant, std::stop_token stop) {
  STROP_CHECK(check_stop(stop));
  Result<Request> request = contestant.request();
  if (!request) return request;
  const auto& seconds = request->seconds;
  if (seconds.empty() || !(seconds.front() > 0) || !std::isfinite(seconds.back()) ||
      !std::is_sorted(seconds.begin(), seconds.end()))
    return Error{ErrorCode::backend, str("[measure] the times of a request of ", contestant.name,
                                         " must be positive and rise")};
  return request;
}

Result<Round> play_round(std::span<const Contestant> contestants, bool backwards,
                         std::stop_token stop) {
  Round round(contestants.size());
  for (std::size_t i = 0; i < contestants.size(); ++i) {
    const std::size_t turn = backwards ? contestants.size() - 1 - i : i;
    STROP_TRY(round[turn], timed_request(contestants[turn], stop));
  }
  return round;
}

Timing timing_of(std::span<const Contestant> contestants, const std::vector<Round>& rounds) {
  Timing timing;
  for (std::size_t i = 0; i < contestants.size(); ++i) {
    timing.series.push_back({contestants[i].name, {}});
    for (const Round& round : rounds) timing.series[i].requests.push_back(round[i]);
  }
  return timing;
}

bool all_narrow(const Timing& timing, const TimingOptions& options) {
  for (std::size_t i = 1; i < timing.series.size(); ++i)
    if (relative_half_width(speedup(timing, i, options.resampling)) > options.target_half_width)
      return false;
  return true;
}

// Every look at the intervals is a chance to stop at one that is narrow by luck, so looks are few:
// each after half as many rounds again, after a full there-and-back, and at the end.
std::uint32_t look_after(std::uint32_t rounds, std::uint32_t max_rounds) {
  const std::uint32_t more = rounds + std::max(2u, rounds / 2);
  return std::min(more + more % 2, max_rounds);
}

bool is_disturbed(const std::optional<ForeignLoad>& load, const TimingOptions& options) {
  return load && (load->cores > options.max_foreign_cores || load->steal > options.max_steal);
}

std::optional<ForeignLoad> load_since(LoadSampler* sampler,
                                      const std::optional<LoadReading>& before) {
  if (!sampler || !before) return {};
  const std::optional<LoadReading> after = sampler->read();
  if (!after) return {};
  return foreign_load(*before, *after);
}

}  // namespace

Clock& steady_clock() {
  static SteadyClock clock;
  return clock;
}

double request_seconds(const Request& request) { return request.seconds.back(); }

Result<Timing> time_rounds(std::span<const Contestant> contestants, const TimingOptions& options,
                           Clock& clock, LoadSampler* load, std::stop_token stop) {
  STROP_ASSERT(!contestants.empty() && options.min_rounds >= 1, "no contestant or no round");
  const double begin = clock.seconds();
  const auto before_all = load ? load->read() : std::nullopt;
  for (std::uint32_t i = 0; i < options.warm_up; ++i)
    STROP_CHECK(play_round(contestants, i % 2 == 1, stop));

  std::vector<Round> clean, disturbed;
  int forwards = 0;  // clean rounds that went there, less those that went back
  bool narrow = false;
  std::uint32_t next_look = std::min(options.min_rounds, options.max_rounds);
  // However slow the machine has become, one round is played: a figure that is noisy says more than
  // none.
  const auto in_time = [&] {
    return (clean.empty() && disturbed.empty()) || clock.seconds() - begin < options.max_seconds;
  };
  while (!narrow && clean.size() < options.max_rounds &&
         disturbed.size() <= options.max_disturbed && in_time()) {
    const auto before = load ? load->read() : std::nullopt;
    // As many clean rounds go there as back; where all are disturbed, those alternate.
    const bool backwards = forwards != 0 ? forwards > 0 : disturbed.size() % 2 == 1;
    STROP_TRY(Round round, play_round(contestants, backwards, stop));
    const bool is_clean = !is_disturbed(load_since(load, before), options);
    (is_clean ? clean : disturbed).push_back(std::move(round));
    if (is_clean) forwards += backwards ? -1 : 1;
    if (clean.size() < next_look) continue;
    narrow = all_narrow(timing_of(contestants, clean), options);
    next_look = look_after(next_look, options.max_rounds);
  }

  const auto repeated = static_cast<std::uint32_t>(disturbed.size());
  const bool enough = clean.size() >= options.min_rounds;
  // Rounds that the clock ended were not ended by luck.
  if (enough && !narrow) narrow = all_narrow(timing_of(contestants, clean), options);
  if (!enough) clean.insert(clean.end(), disturbed.begin(), disturbed.end());
  Timing timing = timing_of(contestants, clean);
  timing.disturbed = repeated;
  timing.clean = enough;
  timing.target_half_width = options.target_half_width;
  timing.settled = enough && narrow;
  timing.load = load_since(load, before_all);
  return timing;
}

Estimate speedup(const Timing& timing, std::size_t contestant, const Resampling& resampling) {
  std::vector<double> first, other;
  for (const Request& request : timing.series.at(0).requests)
    first.push_back(request_seconds(request));
  for (const Request& request : timing.series.at(contestant).requests)
    other.push_back(request_seconds(request));
  return stopped_ratio(first, other, resampling);
}

Metric speedup_metric(const Timing& timing, std::size_t contestant, const MetricContext& context,
                      const Resampling& resampling) {
  const Estimate ratio = speedup(timing, contestant, resampling);
  return {.metric = "speedup",
          .unit = "ratio",
          .context = context,
          .value = ratio.value,
          .interval = ratio.interval,
          .samples = static_cast<std::uint32_t>(timing.series.at(contestant).requests.size()),
          .noisy = !timing.clean || relative_half_width(ratio) > timing.target_half_width};
}

Control control_of(const Timing& timing, std::size_t contestant, const std::string& metric,
                   const Resampling& resampling) {
  const Estimate ratio = speedup(timing, contestant, resampling);
  return {.metric = metric,
          .ratio = ratio.value,
          .interval = ratio.interval,
          .pairs = static_cast<std::uint32_t>(timing.series.at(contestant).requests.size()),
          .contains_one = ratio.interval.low <= 1 && 1 <= ratio.interval.high};
}

}  // namespace strop::measure
