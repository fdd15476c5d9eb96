#include "measure/traffic.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "core/files.h"
#include "measure/random.h"
#include "support/temporary_folder.h"

using namespace strop;
using namespace strop::measure;

namespace {

struct FakeClock : Clock {
  double now = 100;
  double seconds() override { return now; }
};

// Serves each request in a time that is known, on a clock that only it moves.
class FakeServer : public Server {
 public:
  FakeServer(FakeClock& clock, std::uint32_t streams, std::function<double(std::size_t)> service)
      : clock_(clock), ends_(streams, -1), service_(std::move(service)) {}
  std::uint32_t streams() const override { return static_cast<std::uint32_t>(ends_.size()); }
  void begin(std::uint32_t stream) override {
    REQUIRE(ends_[stream] < 0);
    ends_[stream] = clock_.now + service_(begun_);
    failing_[stream] = fails && fails(begun_);
    ++begun_;
  }
  std::optional<Completion> wait(double until) override {
    std::uint32_t first = streams();
    for (std::uint32_t i = 0; i < streams(); ++i)
      if (ends_[i] >= 0 && (first == streams() || ends_[i] < ends_[first])) first = i;
    if (first == streams() || ends_[first] > until) {
      if (std::isfinite(until)) clock_.now = std::max(clock_.now, until);
      return {};
    }
    clock_.now = std::max(clock_.now, ends_[first]);
    Completion done{first, ends_[first], Request{}};
    ends_[first] = -1;
    if (failing_[first])
      done.request = Error{ErrorCode::backend, "it fell over"};
    else
      done.request = Request{{0.001, 0.002}};
    return done;
  }
  std::size_t begun() const { return begun_; }
  std::function<bool(std::size_t)> fails;

 private:
  FakeClock& clock_;
  std::vector<double> ends_;
  std::map<std::uint32_t, bool> failing_;
  std::function<double(std::size_t)> service_;
  std::size_t begun_ = 0;
};

double mean_latency(const Traffic& traffic) {
  double sum = 0;
  for (const Served& request : traffic.served) sum += request.finished - request.intended;
  return sum / static_cast<double>(traffic.served.size());
}

const Metric* find_metric(const TrafficFigures& figures, const char* name) {
  const auto found = std::find_if(figures.metrics.begin(), figures.metrics.end(),
                                  [&](const Metric& metric) { return metric.metric == name; });
  return found == figures.metrics.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE("Poisson arrivals have the rate and the spread of their law, and repeat with the seed") {
  const auto moments = poisson_arrivals(50, 2000, 3);
  CHECK(std::abs(static_cast<double>(moments.size()) - 100000) < 1000);  // three deviations
  CHECK(std::is_sorted(moments.begin(), moments.end()));
  std::vector<double> gaps(moments.size());
  std::adjacent_difference(moments.begin(), moments.end(), gaps.begin());
  gaps.erase(gaps.begin());
  CHECK(mean(gaps) == doctest::Approx(0.02).epsilon(0.01));
  CHECK(coefficient_of_variation(gaps) == doctest::Approx(1).epsilon(0.01));
  CHECK(poisson_arrivals(50, 2000, 3) == moments);
  CHECK(poisson_arrivals(50, 2000, 4) != moments);
}

TEST_CASE("one stream with constant service waits as M/D/1 says") {
  for (double load : {0.3, 0.6, 0.8}) {
    FakeClock clock;
    constexpr double kService = 0.1;
    FakeServer server(clock, 1, [](std::size_t) { return kService; });
    const auto arrivals = poisson_arrivals(load / kService, 40000, 5);
    const Traffic traffic = open_loop(server, arrivals, 1000, clock, {});
    CHECK(traffic.served.size() == arrivals.size());
    const double expected = kService + load * kService / (2 * (1 - load));
    CHECK(mean_latency(traffic) == doctest::Approx(expected).epsilon(0.03));
  }
}

TEST_CASE("exponential service waits as M/M/1 and M/M/2 say") {
  Random random(9);
  const auto service = [&](std::size_t) { return -std::log1p(-random.uniform()) * 0.1; };
  FakeClock clock;
  FakeServer one(clock, 1, service);
  CHECK(mean_latency(open_loop(one, poisson_arrivals(5, 40000, 6), 1000, clock, {})) ==
        doctest::Approx(1 / (10 - 5.0)).epsilon(0.04));
  FakeServer two(clock, 2, service);
  // Sojourn of M/M/2: s / (1 - rho^2) with rho the load of each.
  CHECK(mean_latency(open_loop(two, poisson_arrivals(12, 20000, 7), 1000, clock, {})) ==
        doctest::Approx(0.1 / (1 - 0.36)).epsilon(0.04));
}

TEST_CASE("a stall is seen by all who came while it lasted, not by one request only") {
  const auto stalls = [](std::size_t number) { return number == 100 ? 10.0 : 0.01; };
  FakeClock clock;
  FakeServer closed(clock, 1, stalls);
  const Traffic hidden = closed_loop(closed, 20, clock, {});
  const auto slow = [](const Traffic& traffic) {
    return std::count_if(traffic.served.begin(), traffic.served.end(), [](const Served& request) {
      return request.finished - request.intended > 1;
    });
  };
  CHECK(slow(hidden) == 1);
  FakeServer open(clock, 1, stalls);
  CHECK(slow(open_loop(open, poisson_arrivals(20, 30, 1), 100, clock, {})) > 150);
}

TEST_CASE("an overloaded server leaves requests unserved, and they count") {
  FakeClock clock;
  FakeServer server(clock, 1, [](std::size_t) { return 1.0; });
  const auto arrivals = poisson_arrivals(5, 100, 2);
  const Traffic traffic = open_loop(server, arrivals, 10, clock, {});
  CHECK(traffic.served.size() + traffic.unserved.size() == arrivals.size());
  CHECK(traffic.unserved.size() > 300);
  CHECK(traffic.seconds < 112);
  const auto figures = traffic_figures(traffic, {}, true);
  CHECK(find_metric(figures, "request_errors")->value ==
        static_cast<double>(traffic.unserved.size()));
  // Those unserved waited long: leaving them out would flatter.
  CHECK(find_metric(figures, "request_latency_p50")->value > 40000);
}

TEST_CASE("a closed loop keeps every stream busy and waits for what it began") {
  FakeClock clock;
  FakeServer server(clock, 4, [](std::size_t) { return 0.5; });
  const Traffic traffic = closed_loop(server, 10, clock, {});
  CHECK(traffic.served.size() == 80);
  CHECK(traffic.seconds == doctest::Approx(10));
  CHECK(find_metric(traffic_figures(traffic, {}, true), "throughput")->value ==
        doctest::Approx(16));
}

TEST_CASE("failed requests are counted, and too many end the loop") {
  FakeClock clock;
  FakeServer server(clock, 2, [](std::size_t) { return 0.125; });
  server.fails = [](std::size_t number) { return number % 10 == 0; };
  const Traffic some = closed_loop(server, 3.75, clock, {}, 100);
  CHECK(some.errors.size() == 6);
  CHECK(some.errors.front() == "it fell over");
  server.fails = [](std::size_t) { return true; };
  CHECK(closed_loop(server, 1000, clock, {}, 5).errors.size() <= 6);
}

TEST_CASE("a stop ends both loops") {
  std::stop_source source;
  source.request_stop();
  FakeClock clock;
  FakeServer server(clock, 2, [](std::size_t) { return 0.1; });
  CHECK(closed_loop(server, 10, clock, source.get_token()).served.empty());
  CHECK(open_loop(server, poisson_arrivals(5, 10, 1), 1, clock, source.get_token()).served.empty());
  CHECK(server.begun() == 0);
}

TEST_CASE("a percentile of too few samples says how many it needs") {
  CHECK(lacks_samples(0.99, 512) == "needs 662 samples, has 512");
  CHECK_FALSE(lacks_samples(0.99, 662));
  FakeClock clock;
  FakeServer server(clock, 1, [](std::size_t) { return 0.125; });
  const Traffic traffic = closed_loop(server, 25, clock, {});  // 200 requests, 200 gaps
  const auto figures = traffic_figures(traffic, {.concurrency = 1}, true);
  CHECK(find_metric(figures, "request_latency_p95"));
  CHECK_FALSE(find_metric(figures, "request_latency_p99"));
  REQUIRE(figures.not_measured.size() == 3);
  CHECK(figures.not_measured[0].metric == "request_latency_p99");
  CHECK(figures.not_measured[0].reason == "needs 662 samples, has 200");
  CHECK(figures.not_measured[0].context.concurrency == 1u);
}

TEST_CASE("raw traffic is written whole") {
  const test::TemporaryFolder folder;
  FakeClock clock;
  FakeServer server(clock, 1, [](std::size_t) { return 0.1; });
  REQUIRE(write_samples(closed_loop(server, 1, clock, {}), folder.path() / "load.json"));
  const auto text = read_text(folder.path() / "load.json");
  REQUIRE(text);
  CHECK(text->find("\"intended\"") != std::string::npos);
}
