#include "measure/speed.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <sstream>

#include "unit/measure/logits.h"

using namespace strop;
using namespace strop::measure;

namespace {

// A machine in simulated time: its speed drifts, every request has noise of its own, and in bursts
// somebody else takes half of it.
class Machine : public Clock, public LoadSampler {
 public:
  explicit Machine(std::uint64_t seed) : random_(seed) {}
  double noise = 0.01;
  double drift = 0;        // relative, per second
  double burst_share = 0;  // of requests
  std::vector<std::string> order;

  double seconds() override { return now_; }
  std::optional<LoadReading> read() override {
    return LoadReading{now_, {own_ + foreign_, 2 * now_ - own_ - foreign_, 0}, own_};
  }
  Contestant contestant(const std::string& name, double seconds) {
    return {name, [this, name, seconds] { return request(name, seconds); }};
  }

 private:
  Result<Request> request(const std::string& name, double seconds) {
    order.push_back(name);
    double took = seconds * std::exp(noise * sample::normal(random_)) * (1 + drift * now_);
    own_ += took;
    if (random_.uniform() < burst_share) {
      foreign_ += took;
      took *= 2;
    }
    now_ += took;
    return Request{{took}};
  }

  Random random_;
  double now_ = 0, own_ = 0, foreign_ = 0;
};

constexpr TimingOptions kOptions{.max_rounds = 24, .max_seconds = 1e9, .max_disturbed = 400};

Timing played(Machine& machine, double first, double second,
              const TimingOptions& options = kOptions) {
  const Contestant both[] = {machine.contestant("A", first), machine.contestant("B", second)};
  auto timing = time_rounds(both, options, machine, &machine, {});
  REQUIRE(timing);
  return *timing;
}

std::string turns(const Machine& machine) {
  return std::accumulate(machine.order.begin(), machine.order.end(), std::string());
}

bool holds(const Interval& interval, double truth) {
  return interval.low <= truth && truth <= interval.high;
}

Request timed(std::initializer_list<double> seconds) { return {seconds}; }

const Metric* named(const std::vector<Metric>& metrics, const std::string& name) {
  const auto found = std::find_if(metrics.begin(), metrics.end(),
                                  [&](const Metric& m) { return m.metric == name; });
  return found == metrics.end() ? nullptr : &*found;
}

// Requests of 65 tokens: the first after 0.2 s, then one every 10 ms.
std::vector<Request> requests(std::size_t count) {
  std::vector<Request> out(count);
  for (Request& request : out)
    for (int token = 0; token < 65; ++token) request.seconds.push_back(0.2 + 0.01 * token);
  return out;
}

}  // namespace

TEST_CASE("contestants take turns there and back, after a warm-up that does not count") {
  Machine machine(1);
  TimingOptions options = kOptions;
  options.min_rounds = options.max_rounds = 4;
  const Timing timing = played(machine, 1, 1, options);
  CHECK(turns(machine) ==
        "AB"
        "AB"
        "BA"
        "AB"
        "BA");
  CHECK(timing.series[0].requests.size() == 4);
}

TEST_CASE("rounds that are all disturbed go there and back too") {
  Machine machine(1);
  machine.burst_share = 1;
  TimingOptions options = kOptions;
  options.max_disturbed = 3;
  const Timing timing = played(machine, 1, 1, options);
  CHECK(turns(machine) ==
        "AB"
        "AB"
        "BA"
        "AB"
        "BA");
  CHECK_FALSE(timing.settled);
}

TEST_CASE(
    "law: settled says that the interval is narrow, also where the clock ended between looks") {
  int between = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Machine machine(seed);
    machine.noise = 0.02;
    TimingOptions options = kOptions;
    options.max_seconds = 23;  // eleven rounds of two seconds, after the warm-up
    const Timing timing = played(machine, 1, 1, options);
    const bool narrow = relative_half_width(speedup(timing, 1)) <= options.target_half_width;
    CHECK(timing.settled == narrow);
    between += timing.settled && timing.series[0].requests.size() > options.min_rounds;
  }
  CHECK(between > 0);
}

TEST_CASE("a restless contestant does not make a calm one's figure noisy") {
  Machine machine(7);
  machine.noise = 0.002;
  bool slow = false;
  const Contestant restless{"C", [&] {
                              slow = !slow;
                              return Result<Request>(Request{{slow ? 2.0 : 0.5}});
                            }};
  const Contestant three[] = {machine.contestant("A", 1), machine.contestant("B", 1), restless};
  const auto timing = time_rounds(three, kOptions, machine, &machine, {});
  REQUIRE(timing);
  CHECK_FALSE(timing->settled);
  CHECK_FALSE(speedup_metric(*timing, 1, {}).noisy);
  CHECK(speedup_metric(*timing, 2, {}).noisy);
}

// At the noise where the rule for stopping matters most: some replays stop early and some at the
// limit.
TEST_CASE("the interval holds the true ratio in at least 93 % of replays") {
  TimingOptions options = kOptions;
  options.max_rounds = 40;
  options.resampling.resamples = 500;
  int held = 0;
  for (std::uint64_t seed = 1; seed <= 800; ++seed) {
    Machine machine(seed * 101);
    machine.noise = 0.03;
    held += holds(speedup(played(machine, 1.5, 1, options), 1).interval, 1.5);
  }
  CHECK(held >= 744);
}

TEST_CASE("two runs of the same thing seem faster in at most 5 % of replays") {
  int faster = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Machine machine(seed * 103);
    machine.noise = 0.03;
    faster += speedup(played(machine, 1, 1), 1).interval.low > 1;
  }
  CHECK(faster <= 10);
}

TEST_CASE("a drifting machine does not favour who goes first") {
  Machine machine(7);
  machine.noise = 0.002;
  machine.drift = 0.02;
  CHECK(speedup(played(machine, 2, 1), 1).value == doctest::Approx(2).epsilon(0.01));
}

TEST_CASE("bursts of foreign load cause repetition, not bias") {
  int held = 0;
  std::uint32_t disturbed = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Machine machine(seed * 107);
    machine.burst_share = 0.2;
    const Timing timing = played(machine, 1.2, 1);
    held += holds(speedup(timing, 1).interval, 1.2);
    disturbed += timing.disturbed;
    CHECK(timing.settled);
  }
  CHECK(held >= 186);
  CHECK(disturbed > 200);
}

TEST_CASE("a quiet machine needs few rounds and a noisy one more") {
  Machine quiet(3), noisy(3);
  quiet.noise = 0.001;
  noisy.noise = 0.03;
  CHECK(played(quiet, 1, 1).series[0].requests.size() == kOptions.min_rounds);
  CHECK(played(noisy, 1, 1).series[0].requests.size() > kOptions.min_rounds);
}

TEST_CASE("an interval that stays wide is noisy") {
  Machine machine(3);
  machine.noise = 0.3;
  const Timing timing = played(machine, 1, 1);
  CHECK(timing.series[0].requests.size() == kOptions.max_rounds);
  CHECK_FALSE(timing.settled);
  CHECK(speedup_metric(timing, 1, {}).noisy);
}

TEST_CASE("a machine that is never quiet still gives a result, marked noisy") {
  Machine machine(3);
  machine.burst_share = 1;
  TimingOptions options = kOptions;
  options.max_disturbed = 9;
  const Timing timing = played(machine, 1, 1, options);
  CHECK(timing.disturbed == 10);
  CHECK(timing.series[0].requests.size() == 10);
  CHECK_FALSE(timing.settled);
  REQUIRE(timing.load);
  CHECK(timing.load->cores == doctest::Approx(0.5));
}

TEST_CASE("time runs out with what there is, which is never nothing") {
  Machine machine(3), slow(3);
  TimingOptions options = kOptions;
  options.max_seconds = 7;
  const Timing timing = played(machine, 1, 1, options);
  CHECK(timing.series[0].requests.size() == 3);
  CHECK_FALSE(timing.settled);
  options.max_seconds = 0.5;
  const Contestant one[] = {slow.contestant("A", 1)};
  const auto least = time_rounds(one, options, slow, nullptr, {});
  REQUIRE(least);
  CHECK(least->series[0].requests.size() == 1);
  CHECK_FALSE(least->settled);
}

TEST_CASE("many contestants share the rounds, each with its own ratio") {
  Machine machine(5);
  const Contestant three[] = {machine.contestant("A", 3), machine.contestant("B", 1.5),
                              machine.contestant("C", 1)};
  const auto timing = time_rounds(three, kOptions, machine, &machine, {});
  REQUIRE(timing);
  CHECK(speedup(*timing, 1).value == doctest::Approx(2).epsilon(0.02));
  CHECK(speedup(*timing, 2).value == doctest::Approx(3).epsilon(0.02));
}

TEST_CASE("a contestant's error, impossible times and a stop end the timing") {
  Machine machine(1);
  const auto code_of = [&](const Contestant& contestant, std::stop_token stop = {}) {
    return time_rounds(std::span(&contestant, 1), kOptions, machine, nullptr, stop).error().code;
  };
  CHECK(code_of({"A", [] {
                   return Result<Request>(Error{ErrorCode::crashed, "gone"});
                 }}) == ErrorCode::crashed);
  CHECK(code_of({"A", [] { return Result<Request>(Request{}); }}) == ErrorCode::backend);
  CHECK(code_of({"A", [] { return Result<Request>(timed({0.2, 0.1})); }}) == ErrorCode::backend);
  CHECK(code_of({"A", [] { return Result<Request>(timed({std::nan("")})); }}) ==
        ErrorCode::backend);
  std::stop_source source;
  source.request_stop();
  CHECK(code_of(machine.contestant("A", 1), source.get_token()) == ErrorCode::cancelled);
}

TEST_CASE("a control is a ratio of the same thing") {
  Machine machine(4);
  machine.noise = 0.005;
  const Control control = control_of(played(machine, 1, 1), 1, "request_time");
  CHECK(control.metric == "request_time");
  CHECK(control.contains_one);
  CHECK(control.pairs >= kOptions.min_rounds);
  CHECK_FALSE(control_of(played(machine, 1.1, 1), 1, "request_time").contains_one);
}

TEST_CASE("metrics of regular requests are those computed by hand") {
  const auto metrics = request_metrics(requests(12), 256);
  REQUIRE(named(metrics, "request_time"));
  CHECK(named(metrics, "request_time")->value == doctest::Approx(0.84));
  CHECK(named(metrics, "request_time")->samples == 12);
  CHECK(named(metrics, "request_time")->interval);
  CHECK(named(metrics, "request_time")->context.prompt_tokens == 256u);
  CHECK(named(metrics, "request_time")->context.new_tokens == 65u);
  CHECK(named(metrics, "time_to_first_token")->value == doctest::Approx(200));
  CHECK(named(metrics, "inter_token_latency_p50")->value == doctest::Approx(10));
  CHECK(named(metrics, "inter_token_latency_p99")->value == doctest::Approx(10));
  CHECK(named(metrics, "inter_token_variation")->value < 1e-9);
  CHECK(named(metrics, "decode_rate")->value == doctest::Approx(100));
  CHECK(named(metrics, "decode_rate")->context.depth == 256u);
  CHECK(named(metrics, "prefill_rate")->value == doctest::Approx(1280));
}

TEST_CASE("percentiles without enough samples are absent") {
  CHECK_FALSE(named(request_metrics(requests(2), 256), "inter_token_latency_p95"));   // 128 gaps
  CHECK(named(request_metrics(requests(3), 256), "inter_token_latency_p95"));         // 192
  CHECK_FALSE(named(request_metrics(requests(10), 256), "inter_token_latency_p99"));  // 640
  CHECK(named(request_metrics(requests(11), 256), "inter_token_latency_p99"));        // 704
  const auto single = request_metrics(std::vector{timed({0.3})}, 8);
  CHECK(named(single, "time_to_first_token"));
  CHECK_FALSE(named(single, "decode_rate"));
  CHECK_FALSE(named(single, "inter_token_latency_p50"));
  CHECK(request_metrics({}, 8).empty());
}

// Requests of `count` inferences that took these milliseconds, over and over.
std::vector<Request> inferences(std::size_t requests, std::size_t count,
                                const std::vector<double>& ms) {
  std::vector<Request> out(requests);
  std::size_t next = 0;
  for (Request& request : out) {
    double total = 0;
    for (std::size_t i = 0; i < count; ++i)
      request.seconds.push_back(total += ms[next++ % ms.size()] / 1000);
  }
  return out;
}

TEST_CASE("a request of inferences: each of them is a sample, the first too") {
  const auto metrics = inference_metrics(inferences(10, 4, {2, 4}));
  CHECK(named(metrics, "request_time")->value == doctest::Approx(0.012));
  CHECK(named(metrics, "request_time")->context.inferences == 4u);
  CHECK(named(metrics, "inference_time_p50")->samples == 40);
  CHECK(named(metrics, "inference_time_p50")->value == doctest::Approx(2));
  CHECK(named(metrics, "inference_variation")->value == doctest::Approx(0.3377).epsilon(0.01));
  CHECK_FALSE(named(metrics, "inference_time_p95"));  // 40 of 130
  CHECK_FALSE(named(metrics, "time_to_first_token"));
  CHECK(named(inference_metrics(inferences(13, 10, {2})), "inference_time_p95")->value ==
        doctest::Approx(2));
  CHECK_FALSE(named(inference_metrics(inferences(66, 10, {2})), "inference_time_p99"));
  CHECK(named(inference_metrics(inferences(67, 10, {2})), "inference_time_p99"));
  CHECK(inference_metrics({}).empty());
}

TEST_CASE("an opening's time is the median of the openings") {
  CHECK(load_metrics(std::vector<double>{0.3, 0.1, 0.2})[0].value == 0.2);
  CHECK(load_metrics({}).empty());
}

TEST_CASE("raw series keep every digit") {
  const auto path =
      std::filesystem::temp_directory_path() / str("strop-measure-speed-", ::getpid());
  REQUIRE(write_samples(Timing{.series = {{"a\"b", {timed({0.123456789012, 2})}}}}, path));
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  std::filesystem::remove(path);
  CHECK(text.str().find("a\\\"b") != std::string::npos);
  CHECK(text.str().find("[0.123456789012,2]") != std::string::npos);
}
