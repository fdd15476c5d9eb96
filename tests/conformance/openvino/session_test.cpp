// The laws of a decoder session, on the demo model in OpenVINO.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <numeric>

#include "demo_model.h"

namespace {

using namespace strop;
using namespace strop::openvino::test;
using Rows = std::map<std::size_t, std::vector<float>>;

// Some ordinary ids; which ones does not matter.
std::vector<TokenId> prompt(std::size_t count) {
  std::vector<TokenId> ids(count);
  for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<TokenId>(500 + (i * 7919) % 40000);
  return ids;
}

Rows evaluated(Session& session, SequenceId sequence, const std::vector<TokenId>& ids,
               const std::vector<std::uint32_t>& wanted) {
  Rows rows;
  const auto done = session.decoder()->evaluate(sequence, ids, wanted,
                                                [&](std::size_t index, std::span<const float> row) {
                                                  rows[index] = {row.begin(), row.end()};
                                                });
  REQUIRE_MESSAGE(done, done.error().message);
  return rows;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(double{a[i]} - b[i]));
  return largest;
}

void refused(const Result<void>& result, const std::string& field) {
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::invalid_input);
  CHECK(result.error().field == field);
}

void check_refused(const RunOptions& options, const std::string& field) {
  const auto session = openvino::OpenVinoBackend().open(f16(), options, {});
  REQUIRE_FALSE(session);
  CHECK(session.error().field == field);
}

// Exact arithmetic and cache, so that ways to the same state can be compared closely.
const RunOptions kExact{{"precision_hint", "f32"}, {"kv_cache_precision", "f32"}};
constexpr double kClose = 2e-3;

const RowSink kIgnore = [](std::size_t, std::span<const float>) {};

}  // namespace

TEST_CASE("an artifact has the names of OpenVINO GenAI and its tokenizer") {
  CHECK(f16().format == "openvino_ir");
  CHECK(f16().entry == "openvino_model.xml");
  for (const auto* name :
       {"openvino_model.xml", "openvino_model.bin", "vocab.gguf", "tokenizer/tokenizer.json"}) {
    CHECK_MESSAGE(std::filesystem::is_regular_file(std::filesystem::path(f16().folder) / name),
                  name);
    CHECK(std::any_of(f16().files.begin(), f16().files.end(),
                      [&](const auto& file) { return file.path == name; }));
  }
}

TEST_CASE("the same input gives the same bytes") {
  auto recipe = recipe_named("f16");
  recipe.name = "again";
  const auto again = made(recipe);
  const auto text = [](const Artifact& artifact) {
    std::ifstream file(std::filesystem::path(artifact.folder) / artifact.entry);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  CHECK(text(f16()) == text(again));
}

TEST_CASE("a sequence in pieces gives the logits of the whole, and only wanted rows") {
  const auto session = opened(f16(), kExact);
  const auto ids = prompt(40);
  const auto whole = evaluated(*session, 0, ids, {9, 39});
  CHECK(whole.size() == 2);
  evaluated(*session, 1, {ids.begin(), ids.begin() + 13}, {});
  const auto rest = evaluated(*session, 1, {ids.begin() + 13, ids.end()}, {26});
  CHECK(largest_difference(whole.at(1), rest.at(0)) < kClose);
}

TEST_CASE("truncated and forked sequences go on as if they had never been longer") {
  const auto session = opened(f16(), kExact);
  const auto ids = prompt(40);
  const auto whole = evaluated(*session, 0, ids, {39});
  REQUIRE(session->decoder()->truncate(0, 20));
  REQUIRE(session->decoder()->fork(0, 3));
  for (const SequenceId sequence : {0u, 3u}) {
    const auto rest = evaluated(*session, sequence, {ids.begin() + 20, ids.end()}, {19});
    CHECK(largest_difference(whole.at(0), rest.at(0)) < kClose);
  }
  REQUIRE(session->decoder()->truncate(0, 0));
  CHECK(largest_difference(whole.at(0), evaluated(*session, 0, ids, {39}).at(0)) < kClose);
}

TEST_CASE("a cache in 8 bits is cut and copied without a further loss") {
  const auto session = opened(f16(), {{"precision_hint", "f32"}, {"kv_cache_precision", "u8"}});
  const auto ids = prompt(60);
  evaluated(*session, 0, {ids.begin(), ids.begin() + 40}, {});
  REQUIRE(session->decoder()->fork(0, 1));
  const auto original = evaluated(*session, 0, {ids.begin() + 40, ids.end()}, {19});
  const auto copy = evaluated(*session, 1, {ids.begin() + 40, ids.end()}, {19});
  CHECK(largest_difference(original.at(0), copy.at(0)) < 0.05);
}

TEST_CASE("generation is greedy and has a clock") {
  const auto session = opened(f16(), kExact);
  const auto ids = prompt(10);
  const auto generation = taken(session->decoder()->generate(0, ids, 5, {}));
  REQUIRE(generation.ids.size() == 5);
  CHECK(std::is_sorted(generation.seconds.begin(), generation.seconds.end()));
  auto all = ids;
  all.insert(all.end(), generation.ids.begin(), generation.ids.end() - 1);
  const auto rows = evaluated(*session, 1, all, {9, 10, 11, 12, 13});
  for (std::size_t i = 0; i < 5; ++i) {
    const auto& row = rows.at(i);
    CHECK(std::max_element(row.begin(), row.end()) - row.begin() == generation.ids[i]);
  }
  // What the sequence holds afterwards: everything but the last new token.
  const auto next = evaluated(*session, 0, {generation.ids.back()}, {0});
  all.push_back(generation.ids.back());
  REQUIRE(session->decoder()->truncate(1, 0));
  CHECK(largest_difference(next.at(0), evaluated(*session, 1, all, {14}).at(0)) < kClose);
}

TEST_CASE("a stopped generation leaves the sequence as it was") {
  const auto session = opened(f16());
  std::stop_source stop;
  stop.request_stop();
  const auto generation = session->decoder()->generate(0, prompt(10), 5, stop.get_token());
  REQUIRE_FALSE(generation);
  CHECK(generation.error().code == ErrorCode::cancelled);
  CHECK(taken(session->decoder()->generate(0, prompt(10), 5, {})).ids ==
        taken(session->decoder()->generate(1, prompt(10), 5, {})).ids);
}

TEST_CASE("what breaks a rule is refused by name") {
  const auto session = opened(f16(), {{"context", "64"}});
  auto& decoder = *session->decoder();
  refused(decoder.evaluate(0, prompt(65), {}, kIgnore), "ids");
  refused(decoder.evaluate(0, std::vector<TokenId>{49152}, {}, kIgnore), "ids");
  refused(decoder.evaluate(0, std::vector<TokenId>{-1}, {}, kIgnore), "ids");
  refused(decoder.evaluate(8, prompt(1), {}, kIgnore), "sequence");
  refused(decoder.evaluate(0, prompt(2), std::vector<std::uint32_t>{2}, kIgnore), "wanted");
  CHECK(decoder.evaluate(0, prompt(64), {}, kIgnore));
  refused(decoder.evaluate(0, prompt(1), {}, kIgnore), "ids");
  CHECK_FALSE(decoder.generate(1, prompt(60), 6, {}));
}

TEST_CASE("every knob's value in force is told") {
  const auto session = opened(f16(), {{"threads", "1"}, {"precision_hint", "f32"}});
  const auto& info = session->info();
  CHECK(info.vocabulary_size == 49152);
  CHECK(info.context_length == 8192);
  CHECK(info.cpu_variant == "f32");
  CHECK(info.run_options.at("threads") == "1");
  CHECK(info.run_options.at("precision_hint") == "f32");
  CHECK(info.run_options.at("context") == "8192");
  CHECK(info.run_options.at("kv_cache_precision") != "default");
  CHECK(info.run_options.at("dynamic_quantization_group") != "default");
}

TEST_CASE("run options outside their range are refused by name") {
  check_refused({{"thread", "1"}}, "thread");
  check_refused({{"threads", "0"}}, "threads");
  check_refused({{"precision_hint", "f8"}}, "precision_hint");
  check_refused({{"kv_cache_precision", "u4"}}, "kv_cache_precision");
  check_refused({{"dynamic_quantization_group", "-1"}}, "dynamic_quantization_group");
  check_refused({{"context", "8193"}}, "context");
}

TEST_CASE("what cannot be converted is not supported, in a sentence") {
  const openvino::OpenVinoBackend backend;
  auto other = demo();
  other.architecture = "mamba";
  const auto fit = backend.assess(other, machine());
  CHECK_FALSE(fit.supported);
  REQUIRE(fit.reasons.size() == 1);
  CHECK(fit.reasons[0].ends_with("."));
  CHECK(backend.space(other, machine()).recipes.empty());
  CHECK(backend.assess(demo(), machine()).supported);
}

TEST_CASE("a decoder without a native route is offered what the export makes, and nothing else") {
  const openvino::OpenVinoBackend backend;
  auto other = demo();
  other.architecture = "qwen2";
  CHECK(backend.assess(other, machine()).supported);
  const auto recipes = backend.space(other, machine()).recipes;
  REQUIRE_FALSE(recipes.empty());
  for (const auto& recipe : recipes) CHECK(recipe.steps.front().worker == "optimum");
  for (const auto& recipe : backend.space(demo(), machine()).recipes)
    CHECK(recipe.steps.front().worker != "optimum");
  other.format = "gguf";
  CHECK_FALSE(backend.assess(other, machine()).supported);
}

TEST_CASE("a build refuses what it does not know") {
  const openvino::OpenVinoBackend backend;
  auto recipe = recipe_named("f16");
  Model gguf = demo();
  gguf.format = "gguf";
  gguf.path = __FILE__;
  const auto foreign = backend.build(gguf, recipe, 1, {.dir = scratch()});
  REQUIRE_FALSE(foreign);
  CHECK(foreign.error().message.find("session_test.cpp") != std::string::npos);
  recipe.steps[1].params["contxt"] = "1";
  const auto unknown = backend.build(gguf, recipe, 1, {.dir = scratch()});
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().field == "contxt");
}

TEST_CASE("the confined worker gives what the engine gives") {
  const WorkerBackend worker(STROP_OPENVINO_WORKER, {});
  CHECK(worker.info().unavailable_reason.empty());
  const auto session = taken(worker.open(f16(), kExact, {.dir = scratch()}));
  const auto direct = opened(f16(), kExact);
  CHECK(taken(session->session().decoder()->generate(0, prompt(10), 8, {})).ids ==
        taken(direct->decoder()->generate(0, prompt(10), 8, {})).ids);
}
