// The timing protocol and its statistics against machines whose truth is known: recorded ones
// (tests/data/series) and made-up ones. bench/run statistics plays 200 of each and says the shares.
#include <doctest/doctest.h>

#include <string>

#include "support/replay.h"

using namespace strop;
using namespace strop::test;

namespace {

constexpr double kWork = 10;  // pieces of a request: a second or so

std::vector<Recording> recordings() {
  std::vector<Recording> all;
  for (const auto& entry :
       std::filesystem::directory_iterator(STROP_SOURCE_DIR "/tests/data/series")) {
    if (entry.path().extension() != ".csv") continue;
    auto read = read_recording(entry.path());
    if (!read) FAIL(read.error().message);
    all.push_back(*std::move(read));
  }
  for (Recording& made : made_up_recordings()) all.push_back(std::move(made));
  return all;
}

Replayed played(const Recording& recording, double slowdown, double work, int replays) {
  const auto result = replay(recording, slowdown, work, replays, comparison_options());
  if (!result) FAIL(result.error().message);
  MESSAGE(recording.name << " x" << slowdown << ": held " << result->held << ", faster "
                         << result->faster << ", slower " << result->slower << ", settled "
                         << result->settled << " of " << replays << "; rounds " << result->rounds
                         << ", " << result->seconds << " s");
  return *result;
}

}  // namespace

// The whole claim is 200 replays of each; bench/run statistics makes them. Here fewer, with bounds
// that the same shares meet.
TEST_CASE("on every machine the interval holds the ratio, and a slowdown of 5 % is found") {
  constexpr int kReplays = 60;
  for (const Recording& recording : recordings()) {
    const Replayed slower = played(recording, 1.05, kWork, kReplays);
    CHECK(slower.held >= 0.93 * kReplays);
    CHECK(slower.slower >= 0.95 * kReplays);
    const Replayed same = played(recording, 1, kWork, kReplays);
    CHECK(same.held >= 0.93 * kReplays);
    CHECK(same.faster <= 0.05 * kReplays);
  }
}

TEST_CASE("a quiet machine gives an answer to 2 % in half the time of llama-bench's default test") {
  int quiet_ones = 0;
  for (const Recording& recording : recordings()) {
    if (recording.name != "quiet" && recording.name != "still") continue;
    ++quiet_ones;
    REQUIRE(recording.llama_bench_pieces > 0);
    // As many warm-up and counted requests of an eighth of llama-bench's test as it takes.
    const Replayed quick = played(recording, 1, recording.llama_bench_pieces / kQuickPart, 60);
    CHECK(quick.settled >= 57);
    CHECK(quick.held >= 56);
    CHECK(quick.seconds <= 0.5 * llama_bench_seconds(recording));
  }
  CHECK(quiet_ones >= 1);
}

TEST_CASE("a recording that is none is refused") {
  for (const char* text : {"", "# only words\n", "1,2\n", "-5,0,0\n", "a,b,c\n"}) {
    const auto path = std::filesystem::temp_directory_path() / "strop-replay-broken.csv";
    REQUIRE(write_whole(path, text));
    CHECK_FALSE(read_recording(path));
    std::filesystem::remove(path);
  }
}
