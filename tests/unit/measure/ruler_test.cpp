#include "measure/ruler.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <sstream>

#include "unit/measure/logits.h"

using namespace strop;
using namespace strop::measure;
namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t kVocabulary = 3000;

// A model whose logits are a fixed function of the last two ids and the position, plus a deviation
// of its own.
class FakeDecoder : public DecoderSession {
 public:
  explicit FakeDecoder(double noise, std::uint32_t vocabulary = kVocabulary) : noise_(noise) {
    info_.vocabulary_size = vocabulary;
    info_.context_length = 2048;
  }
  std::function<void(std::size_t position, std::vector<float>&)>
      spoil;  // changes a row before it goes out
  std::vector<std::uint32_t> batch_sizes;
  bool silent = false;  // gives no rows

  const SessionInfo& info() const override { return info_; }
  Result<void> truncate(SequenceId, std::uint32_t length) override {
    held_.resize(length);
    return {};
  }
  Result<void> fork(SequenceId, SequenceId) override { return {}; }
  Result<Generation> generate(SequenceId, std::span<const TokenId>, std::uint32_t,
                              std::stop_token) override {
    return Generation{};
  }
  Result<void> evaluate(SequenceId, std::span<const TokenId> ids,
                        std::span<const std::uint32_t> wanted, const RowSink& sink) override {
    batch_sizes.push_back(static_cast<std::uint32_t>(ids.size()));
    const std::size_t begin = held_.size();
    held_.insert(held_.end(), ids.begin(), ids.end());
    for (std::size_t i = 0; i < wanted.size() && !silent; ++i) {
      const std::size_t position = begin + wanted[i];
      std::vector<float> row = row_at(position);
      if (spoil) spoil(position, row);
      STROP_CHECK(sink({i, row.size(), row}));
    }
    return {};
  }
  std::size_t held() const { return held_.size(); }

 private:
  std::vector<float> row_at(std::size_t position) const {
    const auto before = static_cast<std::uint64_t>(position > 0 ? held_[position - 1] : 0);
    const std::uint64_t seed =
        mixed(before * 65536 + static_cast<std::uint64_t>(held_[position])) + position;
    Random shape(seed), deviation(seed + 1);
    const auto row = sample::row(info_.vocabulary_size, shape);
    return noise_ > 0 ? sample::disturbed(row, deviation, noise_) : row;
  }

  SessionInfo info_;
  double noise_;
  std::vector<TokenId> held_;
};

Evaluation evaluation(std::uint32_t sequences = 3, std::uint32_t length = 140) {
  Random random(2);
  Evaluation out;
  out.sequences.resize(sequences);
  for (auto& ids : out.sequences)
    for (std::uint32_t i = 0; i < length; ++i)
      ids.push_back(static_cast<TokenId>(random.below(kVocabulary)));
  return out;
}

struct Store {
  fs::path folder = fs::temp_directory_path() / str("strop-measure-ruler-", ::getpid());
  fs::path path = folder / "reference";
  Store() { fs::create_directories(folder); }
  ~Store() { fs::remove_all(folder); }
};

Result<QualitySamples> score_by_store(FakeDecoder& candidate, const Evaluation& text) {
  const Store store;
  FakeDecoder reference(0);
  REQUIRE(make_reference(reference, text, store.path, 1, nullptr, {}));
  auto reader = ReferenceReader::open(store.path);
  REQUIRE(reader);
  return score(candidate, text, *reader, nullptr, {});
}

Result<QualitySamples> score_exactly(FakeDecoder& candidate, const Evaluation& text) {
  FakeDecoder reference(0);
  return score_in_step(reference, candidate, text, nullptr, {});
}

const Metric& named(const std::vector<Metric>& metrics, const std::string& name) {
  const auto found = std::find_if(metrics.begin(), metrics.end(),
                                  [&](const Metric& m) { return m.metric == name; });
  REQUIRE(found != metrics.end());
  return *found;
}

class Fractions : public Progress {
 public:
  std::vector<double> seen;
  void report(double fraction, std::string_view) override { seen.push_back(fraction); }
};

}  // namespace

TEST_CASE("store and exact ruler agree on every position") {
  FakeDecoder candidate(0.3);
  const Evaluation text = evaluation();
  const auto stored = score_by_store(candidate, text), exact = score_exactly(candidate, text);
  REQUIRE(stored);
  REQUIRE(exact);
  CHECK(stored->size() == 3 * 139);
  CHECK(exact->position == stored->position);
  CHECK(exact->sequence == stored->sequence);
  CHECK(exact->top1 == stored->top1);
  for (std::size_t i = 0; i < exact->size(); ++i) {
    CHECK(std::abs(stored->kl[i] - exact->kl[i]) <
          5 * stored->kl_error[i] + 1e-4 * exact->kl[i] + 2e-6);
    CHECK(stored->nll_reference[i] == doctest::Approx(exact->nll_reference[i]));
    CHECK(stored->nll_candidate[i] == doctest::Approx(exact->nll_candidate[i]));
  }
  CHECK(mean(stored->kl) == doctest::Approx(mean(exact->kl)).epsilon(0.005));
  CHECK(candidate.held() == 0);
}

TEST_CASE("a row comes to be scored whatever the size of the requests") {
  FakeDecoder candidate(0.1);
  REQUIRE(score_exactly(candidate, evaluation(1, 300)));
  CHECK(candidate.batch_sizes == std::vector<std::uint32_t>{256, 43});
}

TEST_CASE("the reference against itself is a perfect candidate") {
  FakeDecoder candidate(0);
  const auto samples = score_by_store(candidate, evaluation());
  REQUIRE(samples);
  const auto metrics = summarise(*samples);
  CHECK(named(metrics, "kl_mean").value < 1e-7);
  CHECK(named(metrics, "top1_agreement").value == 1);
  CHECK(named(metrics, "accuracy").value == doctest::Approx(1).epsilon(1e-6));
}

TEST_CASE("more deviation is more divergence and less agreement") {
  double last_kl = 0, last_agreement = 1.1;
  for (double noise : {0.1, 0.4, 1.6}) {
    FakeDecoder candidate(noise);
    const auto metrics = summarise(*score_by_store(candidate, evaluation()));
    CHECK(named(metrics, "kl_mean").value > last_kl);
    CHECK(named(metrics, "top1_agreement").value < last_agreement);
    last_kl = named(metrics, "kl_mean").value;
    last_agreement = named(metrics, "top1_agreement").value;
  }
}

TEST_CASE("only the second half of each chunk is scored when asked for") {
  Evaluation text = evaluation(2, 100);
  text.first_scored = 50;
  FakeDecoder candidate(0.1);
  const auto samples = score_by_store(candidate, text);
  REQUIRE(samples);
  CHECK(samples->size() == scored_positions(text));
  CHECK(samples->size() == 2 * 49);
  CHECK(samples->position.front() == 50);
  CHECK(samples->position.back() == 98);
}

TEST_CASE("rows of a broken engine are refused, not scored") {
  const Evaluation text = evaluation(1, 40);
  const auto error_with = [&](const auto& spoil) {
    FakeDecoder candidate(0.1);
    candidate.spoil = spoil;
    const auto samples = score_exactly(candidate, text);
    REQUIRE_FALSE(samples);
    CHECK(samples.error().code == ErrorCode::backend);
    return samples.error().message;
  };
  CHECK(error_with([](std::size_t i, auto& row) {
          if (i == 20) row[5] = std::numeric_limits<float>::quiet_NaN();
        }).ends_with("not finite after position 20 of sequence 0"));
  CHECK(error_with([](std::size_t, auto& row) {
          row.assign(row.size(), 0);
        }).find("equal logits") != std::string::npos);
  CHECK(error_with([](std::size_t, auto& row) { row.pop_back(); }).find("must have") !=
        std::string::npos);
  FakeDecoder candidate(0.1);
  candidate.silent = true;
  CHECK(score_exactly(candidate, text).error().code == ErrorCode::backend);
}

TEST_CASE("a store of another text or vocabulary is refused") {
  const Store store;
  FakeDecoder reference(0), candidate(0.1), wide(0.1, kVocabulary + 1);
  REQUIRE(make_reference(reference, evaluation(1, 30), store.path, 1, nullptr, {}));
  auto reader = ReferenceReader::open(store.path);
  REQUIRE(reader);
  CHECK(score(candidate, evaluation(1, 31), *reader, nullptr, {}).error().code ==
        ErrorCode::invalid_input);
  CHECK(score(wide, evaluation(1, 30), *reader, nullptr, {}).error().code ==
        ErrorCode::invalid_input);
  CHECK(score_exactly(wide, evaluation(1, 30)).error().code == ErrorCode::invalid_input);
}

TEST_CASE("an evaluation that cannot be scored is refused") {
  const SessionInfo session{.vocabulary_size = 10, .context_length = 4};
  CHECK(check({{{1, 2, 3, 9}}}, session));
  CHECK_FALSE(check({}, session));
  CHECK_FALSE(check({{{1}, {}}}, session));
  CHECK_FALSE(check({{{1, 2}}, 1}, session));
  CHECK_FALSE(check({{{1, 10}}}, session));
  CHECK_FALSE(check({{{1, -1}}}, session));
  CHECK_FALSE(check({{{1, 2, 3, 4, 5}}}, session));
}

TEST_CASE("a digest tells evaluations apart") {
  const Evaluation text{{{1, 2, 3}, {4}}};
  CHECK(digest(text) == digest(text));
  CHECK(digest(text) != digest({{{1, 2}, {3, 4}}}));
  CHECK(digest(text) != digest({{{1, 2, 3}, {4}}, 1}));
}

TEST_CASE("a stop is obeyed between requests and progress ends at one") {
  std::stop_source source;
  FakeDecoder reference(0), candidate(0.1);
  Fractions fractions;
  REQUIRE(score_in_step(reference, candidate, evaluation(), &fractions, source.get_token()));
  CHECK(fractions.seen.back() == doctest::Approx(1));
  source.request_stop();
  CHECK(
      score_in_step(reference, candidate, evaluation(), nullptr, source.get_token()).error().code ==
      ErrorCode::cancelled);
  const Store store;
  CHECK(make_reference(reference, evaluation(), store.path, 1, nullptr, source.get_token())
            .error()
            .code == ErrorCode::cancelled);
  CHECK(fs::is_empty(store.folder));
}

TEST_CASE("metrics of hand-made samples are those computed by hand") {
  QualitySamples samples;
  samples.kl = {0.1, 0.3, 0.2, 0.6};
  samples.nll_reference = {1, 2, 1, 2};
  samples.nll_candidate = {1.5, 2, 1.5, 2};
  samples.top1 = {1, 0, 1, 1};
  samples.position = {0, 300, 0, 300};
  samples.sequence = {0, 0, 1, 1};
  const auto metrics = summarise(samples, "samples/q.json");
  CHECK(named(metrics, "kl_mean").value == doctest::Approx(0.3));
  CHECK(named(metrics, "kl_mean").samples_path == "samples/q.json");
  CHECK(named(metrics, "kl_median").value == 0.2);
  CHECK(named(metrics, "kl_p99").value == 0.6);
  CHECK(named(metrics, "kl_worst_sequence").value == doctest::Approx(0.4));
  CHECK(named(metrics, "top1_agreement").value == 0.75);
  CHECK(named(metrics, "perplexity").value == doctest::Approx(std::exp(1.75)));
  CHECK(named(metrics, "perplexity_reference").value == doctest::Approx(std::exp(1.5)));
  CHECK(named(metrics, "accuracy").value == doctest::Approx(std::exp(-0.25)));
  Measurement measurement;
  measurement.metrics = metrics;
  CHECK(find(measurement, "kl_mean")->value == doctest::Approx(0.3));
  CHECK(find(measurement, "kl_mean", {.position_begin = 0, .position_end = 256})->value ==
        doctest::Approx(0.15));
  CHECK(find(measurement, "kl_mean", {.position_begin = 256, .position_end = 512})->value ==
        doctest::Approx(0.45));
  CHECK(summarise({}).empty());
}

TEST_CASE("raw samples are written as JSON") {
  const Store store;
  QualitySamples samples;
  samples.kl = {0.5};
  samples.nll_reference = {1.25};
  samples.nll_candidate = {1.5};
  samples.top1 = {1};
  samples.position = {4};
  samples.sequence = {2};
  REQUIRE(write_samples(samples, store.path));
  std::ostringstream text;
  text << std::ifstream(store.path).rdbuf();
  CHECK(text.str().find("\"kl\":[0.5]") != std::string::npos);
  CHECK(text.str().find("\"top1\":[1]") != std::string::npos);
}

TEST_CASE("ids are given one at a time where decoding would") {
  FakeDecoder stepped(0.1), plain(0.1);
  Evaluation text = evaluation(2, 60);
  const auto expected = score_exactly(plain, text);
  text.stepped_from = 50;
  const auto got = score_exactly(stepped, text);
  REQUIRE(expected);
  REQUIRE(got);
  CHECK(got->kl == expected->kl);
  CHECK(std::count(stepped.batch_sizes.begin(), stepped.batch_sizes.end(), 1u) == 2 * 9);
  CHECK(digest(text) != digest(evaluation(2, 60)));
}

TEST_CASE("the worst sequences and every domain are named") {
  FakeDecoder candidate(0.2);
  candidate.spoil = [&](std::size_t, std::vector<float>&) {};
  const auto samples = score_exactly(candidate, evaluation(4, 100));
  REQUIRE(samples);
  QualitySamples spoiled = *samples;
  for (std::size_t i = 0; i < spoiled.size(); ++i) {
    if (spoiled.sequence[i] != 2) continue;
    spoiled.kl[i] += 1;
    spoiled.nll_candidate[i] += 0.5;
  }
  const QualityOptions options{
      .cluster = 32, .names = {{"news", "a"}, {"news", "b"}, {"code", "c"}, {"code", "d"}}};
  const auto metrics = summarise(spoiled, "", options);
  std::vector<std::string> worst, domains;
  double news = 0, code = 0;
  for (const Metric& metric : metrics) {
    if (metric.metric == "kl_worst_sequence") worst.push_back(metric.context.sequence);
    if (metric.metric != "accuracy" || metric.context.domain.empty()) continue;
    domains.push_back(metric.context.domain);
    (metric.context.domain == "news" ? news : code) = metric.value;
  }
  REQUIRE(worst.size() == 3);
  CHECK(worst.front() == "c");
  CHECK(domains == std::vector<std::string>{"news", "code"});
  CHECK(code < news);
  const Measurement measurement{.metrics = metrics};
  CHECK(find(measurement, "accuracy")->context.domain.empty());
  CHECK(find(measurement, "accuracy", {.domain = "code"})->value == code);
}
