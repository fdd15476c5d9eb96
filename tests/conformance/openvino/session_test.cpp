// The laws of a decoder session, on the demo model in OpenVINO.
#include <algorithm>
#include <fstream>
#include <openvino/openvino.hpp>

#include "conformance/decoder_laws.h"
#include "demo_model.h"

namespace {

using namespace strop;
using namespace strop::openvino::test;

void check_refused(const RunOptions& options, const std::string& field) {
  const auto session = openvino::OpenVinoBackend().open(f16(), options, {});
  REQUIRE_FALSE(session);
  CHECK(session.error().field == field);
}

// Exact arithmetic and cache, so that ways to the same state can be compared closely.
const RunOptions kExact{{"precision_hint", "f32"}, {"kv_cache_precision", "f32"}};
constexpr double kClose = 2e-3;
constexpr TokenId kVocabulary = 49152;

std::unique_ptr<Session> exact(RunOptions options) {
  options.insert(kExact.begin(), kExact.end());
  return opened(f16(), options);
}

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

TEST_CASE("the laws of a decoder session") {
  laws::sequences(exact, kClose, 600);  // more than a chunk
  laws::generation(exact, kClose);
  laws::together(exact, kClose);
  laws::refusals(exact);
}

TEST_CASE("a shorter sequence of a batch, padded on its left, gives what it gives alone") {
  ov::Core core;
  auto compiled = core.compile_model((std::filesystem::path(f16().folder) / f16().entry).string(),
                                     "CPU", ov::hint::inference_precision(ov::element::f32));
  const auto ids = laws::prompt(6, kVocabulary);
  const auto last_row = [&](std::size_t sequences, std::vector<std::int64_t> tokens,
                            std::vector<std::int64_t> positions,
                            std::vector<std::int64_t> present) {
    const ov::Shape shape{sequences, tokens.size() / sequences};
    std::vector<std::int32_t> beams{0, 1};
    auto request = compiled.create_infer_request();
    request.set_tensor("input_ids", {ov::element::i64, shape, tokens.data()});
    request.set_tensor("position_ids", {ov::element::i64, shape, positions.data()});
    request.set_tensor("attention_mask", {ov::element::i64, shape, present.data()});
    request.set_tensor("beam_idx", {ov::element::i32, {sequences}, beams.data()});
    request.infer();
    const auto logits = request.get_tensor("logits");
    const float* end = logits.data<const float>() + logits.get_size();
    return std::vector<float>(end - kVocabulary, end);
  };
  const auto alone = last_row(1, {ids[2], ids[3], ids[4], ids[5]}, {0, 1, 2, 3}, {1, 1, 1, 1});
  const auto padded =
      last_row(2,
               {ids[0], ids[1], ids[2], ids[3], ids[4], ids[5],  //
                7, 7, ids[2], ids[3], ids[4], ids[5]},
               {0, 1, 2, 3, 4, 5, 0, 0, 0, 1, 2, 3}, {1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1});
  CHECK(laws::largest_difference(alone, padded) < kClose);
}

TEST_CASE("a cache in 8 bits is cut and copied without a further loss") {
  const auto session = opened(f16(), {{"precision_hint", "f32"}, {"kv_cache_precision", "u8"}});
  const auto ids = laws::prompt(60, kVocabulary);
  laws::evaluated(*session, 0, {ids.begin(), ids.begin() + 40}, {});
  REQUIRE(session->decoder()->fork(0, 1));
  const auto original = laws::evaluated(*session, 0, {ids.begin() + 40, ids.end()}, {19});
  const auto copy = laws::evaluated(*session, 1, {ids.begin() + 40, ids.end()}, {19});
  CHECK(laws::largest_difference(original.at(0), copy.at(0)) < 0.05);
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
  CHECK(
      taken(session->session().decoder()->generate(0, laws::prompt(10, kVocabulary), 8, {})).ids ==
      taken(direct->decoder()->generate(0, laws::prompt(10, kVocabulary), 8, {})).ids);
}
