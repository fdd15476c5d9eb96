// The timing protocol over recorded machines and over made-up ones whose truth is known, in fake
// time. A machine is a series of pieces of equal work, each with the time it took; a request is so
// many pieces, so a contestant with 1.05 times the work is 1.05 times as slow, whatever the machine
// does meanwhile.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <functional>
#include <numbers>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/files.h"
#include "measure/random.h"
#include "measure/speed.h"

namespace strop::test {

// Seconds that a piece took, and CPU seconds that others used and that were stolen meanwhile.
struct Piece {
  double seconds = 0;
  double foreign = 0;
  double steal = 0;
};

struct Recording {
  std::string name;
  std::vector<Piece> pieces;
  double cores = 2;
  // Pieces of work of one repetition of llama-bench's default test (pp512 and tg128); 0: not known.
  double llama_bench_pieces = 0;

  double seconds() const {
    double total = 0;
    for (const Piece& piece : pieces) total += piece.seconds;
    return total;
  }
};

// Lines "milliseconds,foreign ms,steal ms"; lines with '#' say how it was recorded, among them
// "# cores N" and "# llama_bench_pieces X".
inline Result<Recording> read_recording(const std::filesystem::path& path) {
  STROP_TRY(const std::string text, read_text(path, 4u << 20));
  Recording recording{.name = path.stem().string()};
  const auto number = [](std::string_view& line) {
    double value = std::nan("");
    const auto end = std::from_chars(line.data(), line.data() + line.size(), value).ptr;
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
    if (!line.empty()) line.remove_prefix(1);
    return value;
  };
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    for (const auto& [key, field] :
         {std::pair{"# cores ", &Recording::cores},
          std::pair{"# llama_bench_pieces ", &Recording::llama_bench_pieces}}) {
      if (!line.starts_with(key)) continue;
      line.remove_prefix(std::string_view(key).size());
      recording.*field = number(line);
      line = {};
    }
    if (line.empty() || line.front() == '#') continue;
    const double seconds = number(line) / 1000, foreign = number(line) / 1000;
    const double steal = number(line) / 1000;
    if (!(seconds > 0) || !std::isfinite(foreign) || !std::isfinite(steal))
      return Error{.code = ErrorCode::corrupt,
                   .message = str(path.string(), ": a piece must be three numbers"),
                   .offset = begin};
    recording.pieces.push_back({seconds, foreign, steal});
  }
  if (recording.pieces.empty())
    return Error{.code = ErrorCode::corrupt, .message = str(path.string(), " holds no piece")};
  return recording;
}

// Made-up machines.

inline double normal(measure::Random& random) {
  const double radius = std::sqrt(-2 * std::log(1 - random.uniform()));
  return radius * std::cos(2 * std::numbers::pi * random.uniform());
}

// Pieces of 0.1 s at full speed; `slowdown` says by which factor the i-th is slower.
inline Recording made_up(const std::string& name,
                         const std::function<double(std::size_t, measure::Random&)>& slowdown) {
  Recording recording{.name = name};
  measure::Random random(11);
  for (std::size_t i = 0; i < 6000; ++i) recording.pieces.push_back({0.1 * slowdown(i, random)});
  return recording;
}

inline std::vector<Recording> made_up_recordings() {
  const auto noise = [](measure::Random& random, double size) {
    return std::exp(size * normal(random));
  };
  std::vector<Recording> all;
  all.push_back(
      made_up("still", [=](std::size_t, measure::Random& random) { return noise(random, 0.005); }));
  // The demo model's rates on an idle machine: 650 tokens/s of a prompt, 94 of decoding.
  all.back().llama_bench_pieces = 19.5;
  // It heats up and cools down, each within a minute.
  all.push_back(made_up("drifting", [=](std::size_t i, measure::Random& random) {
    const double phase = static_cast<double>(i % 1200) / 600;
    return (1 + 0.5 * (phase < 1 ? phase : 2 - phase)) * noise(random, 0.02);
  }));
  all.push_back(
      made_up("wandering", [=, level = 0.0](std::size_t, measure::Random& random) mutable {
        level = 0.998 * level + 0.01 * normal(random);
        return std::exp(level) * noise(random, 0.03);
      }));
  // Two clocks of the processor, changed every few seconds.
  all.push_back(
      made_up("two_speeds", [=, slow = false](std::size_t, measure::Random& random) mutable {
        if (random.uniform() < 0.02) slow = !slow;
        return (slow ? 1.3 : 1.0) * noise(random, 0.01);
      }));
  // Rare pieces that take several times as long.
  all.push_back(made_up("long_tails", [=](std::size_t, measure::Random& random) {
    const double tail = random.uniform() < 0.02 ? 1 + 4 * random.uniform() : 1;
    return tail * noise(random, 0.01);
  }));
  return all;
}

class ReplayMachine : public measure::Clock, public measure::LoadSampler {
 public:
  // Stretches of the series, each from a place of its own, so that a replay may be longer than the
  // recording and never meets the same noise in the same order again (the stationary bootstrap of
  // Politis and Romano, 1994).
  ReplayMachine(const Recording& recording, std::uint64_t seed)
      : recording_(recording), random_(seed) {
    piece_ = random_.below(recording.pieces.size());
    used_ = random_.uniform();
  }

  double seconds() override { return now_; }
  std::optional<measure::LoadReading> read() override {
    const double busy = own_ + foreign_;
    return measure::LoadReading{
        now_, {busy, recording_.cores * now_ - busy - steal_, steal_}, own_};
  }
  measure::Contestant contestant(const std::string& name, double work) {
    return {name, [this, work] { return request(work); }};
  }

 private:
  Result<measure::Request> request(double work) {
    const double begin = now_;
    while (work > 0) {
      const Piece& piece = recording_.pieces[piece_];
      const double share = std::min(work, 1 - used_);
      now_ += share * piece.seconds;
      foreign_ += share * piece.foreign;
      steal_ += share * piece.steal;
      work -= share;
      used_ += share;
      if (used_ < 1 - 1e-12) continue;
      piece_ = random_.uniform() < 1 / kStretch ? random_.below(recording_.pieces.size())
                                                : (piece_ + 1) % recording_.pieces.size();
      used_ = 0;
    }
    own_ += now_ - begin;
    return measure::Request{{now_ - begin}};
  }

  static constexpr double kStretch = 200;  // pieces, mean: longer than noise remembers

  const Recording& recording_;
  measure::Random random_;
  std::size_t piece_ = 0;
  double used_ = 0;  // of the piece
  double now_ = 0, own_ = 0, foreign_ = 0, steal_ = 0;
};

// A comparison to within 2 % of two contestants, as long as it needs within an hour: a machine on
// which others hold a core takes most of it to tell 5 % apart.
inline measure::TimingOptions comparison_options() {
  return {.max_rounds = 500,
          .target_half_width = 0.02,
          .max_seconds = 3600,
          .max_disturbed = 500,
          .resampling = {.resamples = 500}};
}

// A quick answer asks for so much less than llama-bench's test in each request: many short rounds
// tell more than few long ones, because a disturbance then spoils one of many.
inline constexpr double kQuickPart = 16;

// What llama-bench's default test takes for both contestants at the recording's usual speed: five
// repetitions of each part; its warm-ups are not counted in its favour or against it.
inline double llama_bench_seconds(const Recording& recording) {
  std::vector<double> seconds;
  for (const Piece& piece : recording.pieces) seconds.push_back(piece.seconds);
  return 2 * 5 * recording.llama_bench_pieces * measure::median(seconds);
}

struct Replayed {
  int replays = 0;
  double truth = 1;  // the long-run ratio
  int held = 0;      // the interval holds it
  int faster = 0;    // the interval lies above 1
  int slower = 0;    // it lies below 1
  int settled = 0;
  double rounds = 0;   // mean
  double seconds = 0;  // mean
  double longest = 0;  // seconds
};

// Replays of A against B, whose work is `slowdown` times A's; a request of A is `work` pieces.
// The truth that intervals are held against: the median of the ratios of very many rounds. Under
// noise that leans to one side it differs a little from 1 / slowdown.
inline Result<double> long_run_ratio(const Recording& recording, double slowdown, double work) {
  constexpr std::uint32_t kRounds = 5000;
  ReplayMachine machine(recording, 5);
  const measure::Contestant both[] = {machine.contestant("A", work),
                                      machine.contestant("B", slowdown * work)};
  STROP_TRY(const measure::Timing timing, measure::time_rounds(both,
                                                               {.min_rounds = kRounds,
                                                                .max_rounds = kRounds,
                                                                .max_seconds = 1e9,
                                                                .max_disturbed = kRounds,
                                                                .resampling = {.resamples = 2}},
                                                               machine, &machine, {}));
  return measure::speedup(timing, 1, {.resamples = 2}).value;
}

inline Result<Replayed> replay(const Recording& recording, double slowdown, double work,
                               int replays, const measure::TimingOptions& options) {
  STROP_TRY(const double truth, long_run_ratio(recording, slowdown, work));
  Replayed result{.replays = replays, .truth = truth};
  for (int i = 0; i < replays; ++i) {
    ReplayMachine machine(recording, 1000 * static_cast<std::uint64_t>(i + 1) + 7);
    const measure::Contestant both[] = {machine.contestant("A", work),
                                        machine.contestant("B", slowdown * work)};
    STROP_TRY(const measure::Timing timing,
              measure::time_rounds(both, options, machine, &machine, {}));
    const Interval interval = measure::speedup(timing, 1, options.resampling).interval;
    result.held += interval.low <= truth && truth <= interval.high;
    result.faster += interval.low > 1;
    result.slower += interval.high < 1;
    result.settled += timing.settled;
    result.rounds += static_cast<double>(timing.series[0].requests.size()) / replays;
    result.seconds += machine.seconds() / replays;
    result.longest = std::max(result.longest, machine.seconds());
  }
  return result;
}

}  // namespace strop::test
