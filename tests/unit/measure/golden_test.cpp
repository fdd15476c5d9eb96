#include "measure/golden.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>

#include "core/hash.h"
#include "core/json.h"
#include "support/temporary_folder.h"
#include "unit/measure/logits.h"

using namespace strop;
using namespace strop::measure;

namespace {

// Logits are a function of the last id and the position.
class FakeModel : public DecoderSession {
 public:
  explicit FakeModel(double noise = 0) : noise_(noise) {
    info_.vocabulary_size = 2000;
    info_.context_length = 256;
  }
  bool generates_another = false;
  const SessionInfo& info() const override { return info_; }
  Result<void> truncate(SequenceId, std::uint32_t length) override {
    held_.resize(length);
    return {};
  }
  Result<void> fork(SequenceId, SequenceId) override { return {}; }
  Result<Generation> generate(SequenceId, std::span<const TokenId> ids, std::uint32_t count,
                              std::stop_token) override {
    held_.insert(held_.end(), ids.begin(), ids.end());
    Generation made;
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto row = row_at(held_.size() - 1);
      const auto best = std::max_element(row.begin(), row.end()) - row.begin();
      made.ids.push_back(static_cast<TokenId>(generates_another ? (best + 1) % 2000 : best));
      made.seconds.push_back(i + 1);
      held_.push_back(made.ids.back());
    }
    held_.pop_back();
    return made;
  }
  Result<void> evaluate(SequenceId, std::span<const TokenId> ids,
                        std::span<const std::uint32_t> wanted, const RowSink& sink) override {
    const std::size_t begin = held_.size();
    held_.insert(held_.end(), ids.begin(), ids.end());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const auto row = row_at(begin + wanted[i]);
      STROP_CHECK(sink({i, row.size(), row}));
    }
    return {};
  }

 private:
  std::vector<float> row_at(std::size_t position) const {
    Random shape(mixed(static_cast<std::uint64_t>(held_[position])) + position), other(position);
    const auto row = sample::row(info_.vocabulary_size, shape);
    return noise_ > 0 ? sample::disturbed(row, other, noise_) : row;
  }
  SessionInfo info_;
  double noise_;
  std::vector<TokenId> held_;
};

GoldenRows rows() {
  GoldenRows out{.name = "brief", .first_scored = 8, .stepped_from = 30};
  for (TokenId first : {5, 700}) {
    out.sequences.emplace_back();
    for (TokenId i = 0; i < 41; ++i) out.sequences.back().push_back((first + 37 * i) % 2000);
  }
  return out;
}

}  // namespace

TEST_CASE("the same model is at no distance from its record, another one is") {
  const test::TemporaryFolder folder;
  GoldenRows record = rows();
  FakeModel model;
  REQUIRE(record_rows(model, record, folder.path(), "own", 1, {}));
  CHECK(record.sha256.size() == 64);
  const auto same = compare_rows(model, record, folder.path(), {});
  REQUIRE(same);
  CHECK(same->size() == 2 * kGoldenPositions);
  CHECK(mean(same->kl) < 1e-4);
  FakeModel other(0.5);
  const auto changed = compare_rows(other, record, folder.path(), {});
  REQUIRE(changed);
  CHECK(mean(changed->kl) > 0.02);
  CHECK(std::filesystem::file_size(folder.path() / record.file) < 120'000);
}

TEST_CASE("a record whose file is another, missing, or elsewhere is corrupt") {
  const test::TemporaryFolder folder;
  GoldenRows record = rows();
  FakeModel model;
  REQUIRE(record_rows(model, record, folder.path(), "own", 1, {}));
  for (const char* name : {"../brief.rows", "/etc/passwd", "", ".hidden", "a/b"}) {
    GoldenRows wrong = record;
    wrong.file = name;
    CHECK(compare_rows(model, wrong, folder.path(), {}).error().code == ErrorCode::corrupt);
  }
  GoldenRows foreign = record;
  foreign.sequences.front()[3] += 1;
  CHECK(compare_rows(model, foreign, folder.path(), {}).error().code == ErrorCode::invalid_input);
  std::ofstream(folder.path() / record.file, std::ios::app) << "x";
  CHECK(compare_rows(model, record, folder.path(), {}).error().code == ErrorCode::corrupt);
  std::filesystem::remove(folder.path() / record.file);
  CHECK_FALSE(compare_rows(model, record, folder.path(), {}));
}

TEST_CASE("greedy tokens that evaluation finds less probable show a gap") {
  FakeModel model;
  const auto ids = rows().sequences.front();
  const auto fine = greedy_gap(model, std::span(ids).first(10), 8, {});
  REQUIRE(fine);
  CHECK(*fine == doctest::Approx(0));
  model.generates_another = true;
  const auto gap = greedy_gap(model, std::span(ids).first(10), 8, {});
  REQUIRE(gap);
  CHECK(*gap > kGreedySlack);
}

TEST_CASE(
    "among few samples, one answer that turned is no drift where another machine recorded them") {
  const std::vector<double> one_turned{1.4, 0.01, 0.02, 0.02};
  CHECK(noise_of_record(one_turned, true) == doctest::Approx(0.3625));
  CHECK(noise_of_record(one_turned, false) == doctest::Approx(0.01));
  const std::vector<double> wrong_file{1.1, 0.9, 1.0, 1.2};
  CHECK(noise_of_record(wrong_file, false) == doctest::Approx(0.9));
}

TEST_CASE("a record survives being written and read, and nothing unknown is accepted") {
  Golden golden{.kind = GoldenKind::own,
                .model_id = "m",
                .artifact_id = "a",
                .backend = "b",
                .run_options = {{"batch", "64"}},
                .limit = 0.002,
                .texts = {{"x", true, false, {1, 2}, "x"}},
                .chats = {{{{"user", "hi"}}, true, "<hi>"}},
                .rows = {rows()}};
  const Json json = encode(golden);
  const auto read = decode<Golden>(json, "record");
  REQUIRE(read);
  CHECK(*read == golden);
  Json more = json;
  more["extra"] = 1;
  CHECK_FALSE(decode<Golden>(more, "record"));
  const Json schema = Json::parse(golden_schema());
  CHECK(schema["record"]["properties"].contains("limit"));
  CHECK(schema["verify"]["properties"].contains("checks"));
}
