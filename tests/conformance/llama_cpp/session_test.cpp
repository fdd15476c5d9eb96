// The laws of a decoder session, on the demo model in llama.cpp.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <numeric>

#include "backend.h"
#include "conformance/decoder_laws.h"

namespace {

// Why it failed; doctest wants the words even when nothing did.
template <class T>
std::string message_of(const strop::Result<T>& result) {
  return result ? std::string() : result.error().message;
}

using namespace strop;
using Rows = std::map<std::size_t, std::vector<float>>;

const std::filesystem::path kModel = STROP_DEMO_GGUF;

const Backend& backend() {
  if (!std::filesystem::exists(kModel)) {
    std::cout << "skipped: the demo model is missing (tools/setup fetches it)" << std::endl;
    std::exit(77);
  }
  static const llama_cpp::LlamaBackend instance(STROP_LLAMA_WORKER);
  return instance;
}

Artifact artifact() {
  return {.backend = "llama_cpp",
          .format = "gguf",
          .folder = kModel.parent_path(),
          .entry = kModel.filename()};
}

Result<std::unique_ptr<Session>> try_open(const RunOptions& options) {
  return backend().open(artifact(), options, {});
}

std::unique_ptr<Session> opened(RunOptions options = {}) {
  options.try_emplace("context", "512");
  options.try_emplace("threads",
                      "1");  // two threads wait for each other where other tests run beside them
  auto session = try_open(options);
  REQUIRE_MESSAGE(session, message_of(session));
  return *std::move(session);
}

// Some ordinary ids; which ones does not matter.
std::vector<TokenId> prompt(std::size_t count) {
  std::vector<TokenId> ids(count);
  for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<TokenId>(500 + (i * 7919) % 40000);
  return ids;
}

std::vector<std::uint32_t> all_positions(std::size_t count) {
  std::vector<std::uint32_t> positions(count);
  std::iota(positions.begin(), positions.end(), 0u);
  return positions;
}

Rows evaluated(DecoderSession& session, SequenceId sequence, std::span<const TokenId> ids,
               std::span<const std::uint32_t> wanted) {
  Rows rows;
  const auto done = session.evaluate(sequence, ids, wanted,
                                     each_row([&](std::size_t index, std::span<const float> row) {
                                       rows[index].assign(row.begin(), row.end());
                                     }));
  REQUIRE_MESSAGE(done, message_of(done));
  return rows;
}

std::size_t argmax(const std::vector<float>& row) {
  return static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

// The best id, or one that another order of the same sums may prefer to it.
bool is_best(const std::vector<float>& row, std::size_t id) {
  return row[id] >= row[argmax(row)] - 0.05f;
}

void check_refused(const RunOptions& options, const std::string& field) {
  const auto session = try_open(options);
  REQUIRE_FALSE(session);
  CHECK(session.error().code == ErrorCode::invalid_input);
  CHECK(session.error().field == field);
}

}  // namespace

TEST_CASE("one batch and token by token agree on the best next token") {
  auto session = opened();
  const auto ids = prompt(24);
  const auto together = evaluated(*session->decoder(), 0, ids, all_positions(ids.size()));
  REQUIRE(together.size() == ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto alone =
        evaluated(*session->decoder(), 1, std::span(ids).subspan(i, 1), all_positions(1));
    CHECK(is_best(alone.at(0), argmax(together.at(i))));
  }
}

TEST_CASE("only wanted positions give rows, over the edges of batches too") {
  auto session = opened({{"batch", "16"}});
  const auto ids = prompt(50);
  const std::vector<std::uint32_t> wanted{0, 15, 16, 31, 49};
  const auto all = evaluated(*session->decoder(), 0, ids, all_positions(ids.size()));
  const auto some = evaluated(*session->decoder(), 1, ids, wanted);
  REQUIRE(some.size() == wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i)
    CHECK(is_best(some.at(i), argmax(all.at(wanted[i]))));
}

TEST_CASE("many wanted rows are handed out in order") {
  auto session = opened();
  const auto ids = prompt(400);
  std::size_t expected = 0;
  REQUIRE(session->decoder()->evaluate(
      0, ids, all_positions(ids.size()),
      each_row([&](std::size_t index, std::span<const float>) { CHECK(index == expected++); })));
  CHECK(expected == ids.size());
}

TEST_CASE("truncating and going on equals a fresh start") {
  auto session = opened();
  const auto ids = prompt(20);
  const auto first = evaluated(*session->decoder(), 0, ids, all_positions(20));
  REQUIRE(session->decoder()->truncate(0, 12));
  const auto again =
      evaluated(*session->decoder(), 0, std::span(ids).subspan(12), all_positions(8));
  for (std::size_t i = 0; i < 8; ++i) CHECK(is_best(again.at(i), argmax(first.at(12 + i))));
}

TEST_CASE("a fork goes on by itself") {
  auto session = opened();
  auto& decoder = *session->decoder();
  const auto ids = prompt(20);
  const std::vector<TokenId> left{100, 200}, right{300, 400};
  const std::vector<std::uint32_t> last{1};
  evaluated(decoder, 0, ids, {});
  REQUIRE(decoder.fork(0, 3));
  const auto of_left = evaluated(decoder, 0, left, last);
  const auto of_right = evaluated(decoder, 3, right, last);
  REQUIRE(decoder.truncate(0, 20));
  const auto right_again = evaluated(decoder, 0, right, last);
  CHECK(is_best(of_right.at(0), argmax(right_again.at(0))));
  CHECK(of_left.at(0) != of_right.at(0));
}

TEST_CASE("generating equals choosing the best token step by step") {
  auto session = opened();
  auto& decoder = *session->decoder();
  const auto ids = prompt(16);
  const auto generation = decoder.generate(0, ids, 8, {});
  REQUIRE_MESSAGE(generation, message_of(generation));
  REQUIRE(generation->ids.size() == 8);
  REQUIRE(generation->seconds.size() == 8);
  CHECK(std::is_sorted(generation->seconds.begin(), generation->seconds.end()));

  auto row = evaluated(decoder, 1, ids, std::vector<std::uint32_t>{15}).at(0);
  for (const auto id : generation->ids) {
    CHECK(is_best(row, static_cast<std::size_t>(id)));
    row = evaluated(decoder, 1, std::vector{id}, std::vector<std::uint32_t>{0}).at(0);
  }
  // The newest token is not part of the sequence yet, so that the next call may give it.
  const auto next =
      evaluated(decoder, 0, std::vector{generation->ids.back()}, std::vector<std::uint32_t>{0})
          .at(0);
  CHECK(is_best(next, argmax(row)));
}

TEST_CASE("several prompts are continued together as each alone") { laws::together(opened, 0.05); }

TEST_CASE("generating can be stopped and leaves the sequence as it was") {
  auto session = opened();
  auto& decoder = *session->decoder();
  std::stop_source stop;
  stop.request_stop();
  const auto generation = decoder.generate(0, prompt(16), 8, stop.get_token());
  REQUIRE_FALSE(generation);
  CHECK(generation.error().code == ErrorCode::cancelled);
  CHECK(decoder.generate(0, prompt(505), 8, {}));
}

TEST_CASE("what does not fit is refused and changes nothing") {
  auto session = opened();
  auto& decoder = *session->decoder();
  const RowSink ignore = [](const LogitRows&) { return Result<void>{}; };
  const auto refused = [&](const Result<void>& done, const std::string& field) {
    REQUIRE_FALSE(done);
    CHECK(done.error().code == ErrorCode::invalid_input);
    CHECK(done.error().field == field);
  };
  refused(decoder.evaluate(0, prompt(513), {}, ignore), "ids");
  refused(decoder.evaluate(99, prompt(1), {}, ignore), "sequence");
  refused(decoder.evaluate(0, std::vector<TokenId>{-1}, {}, ignore), "ids");
  refused(decoder.evaluate(0, std::vector<TokenId>{49152}, {}, ignore), "ids");
  refused(decoder.evaluate(0, prompt(4), std::vector<std::uint32_t>{4}, ignore), "wanted");
  refused(decoder.evaluate(0, prompt(4), std::vector<std::uint32_t>{2, 2}, ignore), "wanted");
  CHECK(decoder.evaluate(0, prompt(512), {}, ignore));
  refused(decoder.evaluate(1, prompt(4), {}, ignore), "ids");  // the sequences share the context
  CHECK(decoder.truncate(0, 100));
  CHECK(decoder.evaluate(1, prompt(4), {}, ignore));
}

TEST_CASE("every knob's value in force is told") {
  const auto session = opened({{"threads", "1"}, {"kv_cache_type", "q8_0"}});
  const auto& info = session->info();
  CHECK(info.vocabulary_size == 49152);
  CHECK(info.context_length == 512);
  CHECK(info.load_seconds > 0);
  CHECK(info.run_options.at("threads") == "1");
  CHECK(info.run_options.at("kv_cache_type") == "q8_0");
  CHECK(info.run_options.at("flash_attention") == "on");
  CHECK(info.run_options.at("batch") == "512");
  CHECK(info.run_options.at("context") == "512");
  CHECK(info.run_options.at("cpu_variant") == info.cpu_variant);
  CHECK(opened({{"flash_attention", "off"}})->info().run_options.at("flash_attention") == "off");
}

TEST_CASE("run options outside their range are refused by name") {
  check_refused({{"thread", "1"}}, "thread");
  check_refused({{"threads", "0"}}, "threads");
  check_refused({{"threads", "2x"}}, "threads");
  check_refused({{"flash_attention", "maybe"}}, "flash_attention");
  check_refused({{"kv_cache_type", "q2"}}, "kv_cache_type");
  check_refused({{"kv_cache_type", "q8_0"}, {"flash_attention", "off"}}, "flash_attention");
  check_refused({{"cpu_variant", "z80"}}, "cpu_variant");
  check_refused({{"context", "100000"}}, "context");
}

TEST_CASE("a file that is no model is refused before the engine sees it") {
  auto broken = artifact();
  broken.folder = STROP_SOURCE_DIR "/tests/conformance/llama_cpp";
  broken.entry = "session_test.cpp";
  const auto session = backend().open(broken, {}, {});
  REQUIRE_FALSE(session);
  CHECK(session.error().code == ErrorCode::corrupt);
}

TEST_CASE("recipes go from unquantised to small, and the demo's grid is marked") {
  const Model model{.format = "huggingface",
                    .architecture = "llama",
                    .kind = ModelKind::llm,
                    .precision = "bf16",
                    .width = 576};
  const auto space = backend().space(model, Target{});
  REQUIRE(space.recipes.size() == 11);
  CHECK(space.recipes[0].name == "f32");
  CHECK(space.recipes[0].lossless);
  CHECK(space.recipes[1].name == "bf16");
  CHECK(space.recipes[1].lossless);
  for (const auto& recipe : space.recipes) {
    CHECK((recipe.source_grid == "q4_1") == (recipe.name == "q4_1"));
    CHECK(recipe.lossless == (recipe.name == "f32" || recipe.name == "bf16"));
  }
  REQUIRE(space.run_presets.size() >= 3);
  CHECK(space.run_presets[0].name == "default");
}

TEST_CASE("what cannot be converted is not supported, in a sentence") {
  const Model other{
      .format = "huggingface", .architecture = "deberta", .kind = ModelKind::embedding};
  const auto fit = backend().assess(other, Target{});
  CHECK_FALSE(fit.supported);
  REQUIRE(fit.reasons.size() == 1);
  CHECK(fit.reasons[0].ends_with("."));
  CHECK(backend().space(other, Target{}).recipes.empty());
}
