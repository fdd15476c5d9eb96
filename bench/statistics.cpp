// The timing protocol replayed over the recorded machines that are named and over made-up ones, as
// JSON. The clock of the replays is fake: what they say does not depend on the machine they run on.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <stdexcept>

#include "core/json.h"
#include "tests/support/replay.h"

namespace {

using namespace strop;

constexpr int kReplays = 200;
// One request is a second or so, as those of a run are.
constexpr double kRequestPieces = 10;

Json described(const test::Recording& recording) {
  const auto options = test::comparison_options();
  const auto played = [&](double slowdown, double work) {
    const auto result = test::replay(recording, slowdown, work, kReplays, options);
    if (!result) throw std::runtime_error(result.error().message);
    return *result;
  };
  const auto ratio = played(1.2, kRequestPieces), same = played(1, kRequestPieces),
             slower = played(1.05, kRequestPieces);
  const auto share = [](int count) { return static_cast<double>(count) / kReplays; };
  Json out{{"series", recording.name},
           {"seconds_recorded", recording.seconds()},
           {"held", share(std::min({ratio.held, same.held, slower.held}))},
           {"not_faster", share(kReplays - same.faster)},
           {"found", share(slower.slower)},
           {"long_run_ratio", slower.truth},
           {"settled", share(slower.settled)},
           {"rounds", slower.rounds},
           {"seconds", slower.seconds}};
  if (recording.llama_bench_pieces > 0) {
    // Both contestants by llama-bench, a warm-up of the prompt test and five repetitions of each;
    // against requests of an eighth of its tests.
    const auto quick = played(1, recording.llama_bench_pieces / test::kQuickPart);
    out["quick_seconds"] = quick.seconds;
    out["quick_settled"] = share(quick.settled);
    out["quick_held"] = share(quick.held);
    out["llama_bench_seconds"] = test::llama_bench_seconds(recording);
  }
  return out;
}

int replay_all(int argc, char** argv) {
  Json all = Json::array();
  for (int i = 1; i < argc; ++i) {
    const auto recording = test::read_recording(argv[i]);
    if (!recording) throw std::runtime_error(recording.error().message);
    all.push_back(described(*recording));
  }
  for (const auto& recording : test::made_up_recordings()) all.push_back(described(recording));
  std::cout << all.dump() << '\n';
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return replay_all(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "bench-statistics: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
