// The demo model in ONNX Runtime: the laws of a session, the fp32 reference's logits, refusals.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "backend.h"
#include "conformance/decoder_laws.h"
#include "core/proxy.h"
#include "support/temporary_folder.h"

namespace fs = std::filesystem;

namespace {

using namespace strop;
using onnxruntime::OnnxRuntimeBackend;

[[noreturn]] void skip(const std::string& reason) {
  std::cout << "skipped: " << reason << std::endl;
  std::exit(77);
}

template <class T>
T taken(Result<T> result) {
  REQUIRE_MESSAGE(result, result.error().message);
  return *std::move(result);
}

const fs::path& scratch() {
  static const test::TemporaryFolder folder;
  return folder.path();
}

Model demo() {
  if (!fs::exists(STROP_DEMO_MODEL)) skip("the demo model is missing (tools/demo-model makes it)");
  return {.path = STROP_DEMO_MODEL,
          .format = "huggingface",
          .architecture = "llama",
          .kind = ModelKind::llm,
          .precision = "bf16",
          .context_length = 8192};
}

Artifact made(const Recipe& recipe) {
  const auto folder = scratch() / recipe.name;
  fs::create_directories(folder);
  auto artifact =
      taken(WorkerBackend(STROP_CONVERT_WORKER, {}).build(demo(), recipe, 0, {.dir = folder}));
  artifact.folder = folder.string();
  return artifact;
}

Recipe recipe_named(const std::string& name) {
  for (const auto& recipe : OnnxRuntimeBackend().space(demo(), {.arch = "x86_64"}).recipes) {
    if (recipe.name == name) return recipe;
  }
  FAIL("there is no recipe ", name);
  return {};
}

const Artifact& f32() {
  static const Artifact artifact = made(recipe_named("f32"));
  return artifact;
}

std::unique_ptr<Session> open_f32(const RunOptions& options) {
  return taken(OnnxRuntimeBackend().open(f32(), options, {}));
}

void check_refused(const Artifact& artifact, const RunOptions& options, const std::string& field) {
  const auto session = OnnxRuntimeBackend().open(artifact, options, {});
  REQUIRE_FALSE(session);
  CHECK(session.error().field == field);
}

// The demo model as F32 GGUF, which the reference reads.
Artifact gguf() {
  Recipe recipe{.name = "reference", .backend = "reference"};
  recipe.steps.push_back({"convert", Operation::convert, {{"to", "gguf"}, {"type", "f32"}}});
  return made(recipe);
}

// protobuf's wire: a length-delimited field.
std::string field(int number, const std::string& bytes) {
  return std::string(1, static_cast<char>(number << 3 | 2)) +
         std::string(1, static_cast<char>(bytes.size())) + bytes;
}
std::string field(int number, int value) {
  return std::string(1, static_cast<char>(number << 3)) + std::string(1, static_cast<char>(value));
}

// y = x + x on f32[any, 3].
Artifact doubling() {
  const auto port = [](const std::string& name) {
    const std::string shape = field(1, field(2, std::string("n"))) + field(1, field(1, 3));
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)));
  };
  const std::string node = field(1, std::string("x")) + field(1, std::string("x")) +
                           field(2, std::string("y")) + field(4, std::string("Add"));
  const std::string graph =
      field(1, node) + field(2, std::string("g")) + field(11, port("x")) + field(12, port("y"));
  const std::string model = field(1, 8) + field(7, graph) + field(8, field(2, 17));
  const auto folder = scratch() / "doubling";
  fs::create_directories(folder);
  std::ofstream(folder / "model.onnx", std::ios::binary) << model;
  return {.format = "onnx", .folder = folder.string(), .entry = "model.onnx"};
}

Tensor floats(const std::string& name, std::vector<std::int64_t> shape,
              const std::vector<float>& values) {
  Tensor tensor{.name = name, .type = ElementType::f32, .shape = std::move(shape), .data = {}};
  tensor.data.resize(values.size() * 4);
  std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
  return tensor;
}

constexpr double kClose = 2e-3;

}  // namespace

TEST_CASE("the laws of a decoder session") {
  laws::sequences(open_f32, kClose, 700);
  laws::generation(open_f32, kClose);
  laws::together(open_f32, kClose);
  laws::refusals(open_f32);
}

TEST_CASE("F32 gives the fp32 reference's logits") {
  const auto artifact = gguf();
  const auto oracle =
      taken(WorkerBackend(STROP_REFERENCE_WORKER, {}).open(artifact, {}, {.dir = scratch()}));
  const auto session = open_f32({});
  const auto ids = laws::prompt(24, 49152);
  const auto ours = laws::evaluated(*session, 0, ids, {0, 11, 23});
  const auto theirs = laws::evaluated(oracle->session(), 0, ids, {0, 11, 23});
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(laws::largest_difference(ours.at(i), theirs.at(i)) < kClose);
}

TEST_CASE("every knob's value in force is told, and no other knob is taken") {
  const auto session = open_f32({{"threads", "1"}, {"spinning", "off"}, {"arena", "off"}});
  const auto& info = session->info();
  CHECK(info.vocabulary_size == 49152);
  CHECK(info.context_length == 8192);
  CHECK(info.run_options.at("threads") == "1");
  CHECK(info.run_options.at("spinning") == "off");
  CHECK(info.run_options.at("arena") == "off");
  CHECK(info.run_options.at("graph_optimization") == "all");
  CHECK(info.run_options.at("provider") == "cpu");
  CHECK(info.run_options.at("execution") == "sequential");
  CHECK(info.run_options.at("memory_pattern") == "on");
  check_refused(f32(), {{"thread", "1"}}, "thread");
  check_refused(f32(), {{"threads", "0"}}, "threads");
  check_refused(f32(), {{"threads", "two"}}, "threads");
  check_refused(f32(), {{"provider", "cuda"}}, "provider");
  check_refused(f32(), {{"context", "8193"}}, "context");
}

TEST_CASE("a decoder that does not say how many tokens it takes is refused") {
  const auto folder = scratch() / "no_config";
  fs::create_directories(folder);
  for (const char* name : {"model.onnx", "model.onnx.data"})
    fs::copy_file(fs::path(f32().folder) / name, folder / name);
  Artifact bare = f32();
  bare.folder = folder.string();
  check_refused(bare, {}, "genai_config.json");
  for (const char* text : {R"({"model": {"context_length": 0}})", R"({"model": 1})", "[]",
                           R"({"model": {"context_length": "8192"}})",
                           R"({"model": {"context_length": 99999999999}})"}) {
    std::ofstream(folder / "genai_config.json") << text;
    check_refused(bare, {}, "model.context_length");
  }
}

TEST_CASE("a tensor model is a function of named tensors") {
  const auto opened = taken(OnnxRuntimeBackend().open(doubling(), {}, {}));
  REQUIRE(opened->tensors() != nullptr);
  CHECK(opened->decoder() == nullptr);
  auto& session = *opened->tensors();
  const std::vector inputs{floats("x", {2, 3}, {1, 2, 3, 4, 5, 6})};
  const Inference inference = taken(session.infer(inputs));
  const auto& outputs = inference.outputs;
  CHECK(inference.seconds > 0);
  REQUIRE(outputs.size() == 1);
  CHECK(outputs[0].name == "y");
  CHECK(outputs[0].shape == std::vector<std::int64_t>{2, 3});
  CHECK(outputs[0].data == floats("y", {2, 3}, {2, 4, 6, 8, 10, 12}).data);

  const auto refused = [&](const std::vector<Tensor>& wrong, const std::string& field) {
    const auto answer = session.infer(wrong);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().field == field);
  };
  refused({}, "x");
  refused({floats("x", {2, 3}, {1, 2, 3}), floats("x", {1, 3}, {1, 2, 3})}, "x");
  refused({floats("x", {1, 3}, {1, 2, 3}), floats("z", {1, 3}, {1, 2, 3})}, "inputs");
  refused({floats("x", {1, 2}, {1, 2})}, "x");
  refused({floats("x", {2, 3}, {1, 2, 3})}, "x");
  refused({floats("x", {-1, 3}, {1, 2, 3})}, "x");
  Tensor integers = floats("x", {1, 3}, {1, 2, 3});
  integers.type = ElementType::i32;
  refused({integers}, "x");
}

TEST_CASE("a session tells what runs the model's nodes, or why it cannot") {
  const OnnxRuntimeBackend backend;
  const fs::path folder = scratch() / "profile";
  fs::create_directories(folder);
  const auto tensors = taken(backend.open(doubling(), {}, {.dir = folder}));
  REQUIRE(tensors->info().placement.size() == 1);
  CHECK(tensors->info().placement[0] == Placement{"cpu", 1});
  CHECK(tensors->info().notes.at(0).find("CPU provider only") != std::string::npos);
  CHECK(fs::is_empty(folder));
  const auto decoder = taken(backend.open(f32(), {}, {.dir = folder}));
  REQUIRE(decoder->info().placement.size() == 1);
  CHECK(decoder->info().placement[0].nodes > 300);
  for (const auto& silent :
       {taken(backend.open(doubling(), {}, {})),
        taken(backend.open(doubling(), {{"placement", "off"}}, {.dir = folder}))}) {
    CHECK(silent->info().placement.empty());
    CHECK(silent->info().notes.at(0).find("not reported") != std::string::npos);
  }
}

TEST_CASE("operators may run side by side, with the same result") {
  const auto opened = taken(OnnxRuntimeBackend().open(
      doubling(), {{"execution", "parallel"}, {"inter_threads", "2"}, {"memory_pattern", "off"}},
      {}));
  const std::vector inputs{floats("x", {1, 3}, {1, 2, 3})};
  CHECK(taken(opened->tensors()->infer(inputs)).outputs.at(0).data ==
        floats("y", {1, 3}, {2, 4, 6}).data);
}

TEST_CASE("a provider that the library lacks is listed with the reason") {
  const auto space = OnnxRuntimeBackend().space(demo(), {.arch = "x86_64"});
  CHECK(std::ranges::any_of(
      space.skipped, [](const std::string& line) { return line.starts_with("provider cuda"); }));
}

TEST_CASE("an encoder's folder has recipes, one of them lossless and one calibrated") {
  const Model encoder{.path = "/encoder",
                      .format = "huggingface",
                      .architecture = "bert",
                      .kind = ModelKind::embedding,
                      .precision = "f32"};
  CHECK(OnnxRuntimeBackend().assess(encoder, {.arch = "x86_64"}).supported);
  const auto recipes = OnnxRuntimeBackend().space(encoder, {.arch = "x86_64"}).recipes;
  CHECK(std::ranges::any_of(recipes, &Recipe::lossless));
  for (const char* name : {"int8_static", "olive_static", "olive_dynamic", "olive_fused"})
    CHECK(std::ranges::any_of(recipes, [&](const Recipe& r) { return r.name == name; }));
  for (const Recipe& recipe : recipes) CHECK(recipe.steps.at(0).worker == "convert");
}

TEST_CASE("an ONNX file is taken as it is, with its weights") {
  const auto from = doubling();
  const Model model{
      .path = (fs::path(from.folder) / from.entry).string(), .format = "onnx", .precision = "f32"};
  const OnnxRuntimeBackend backend;
  const auto recipes = backend.space(model, {.arch = "x86_64"}).recipes;
  const auto lossless = std::ranges::find_if(recipes, &Recipe::lossless);
  REQUIRE(lossless != recipes.end());
  const auto folder = scratch() / "copy";
  fs::create_directories(folder);
  auto artifact = taken(backend.build(model, *lossless, 0, {.dir = folder}));
  artifact.folder = folder.string();
  CHECK(OnnxRuntimeBackend().open(artifact, {}, {}));
}

TEST_CASE("what is no ONNX file never reaches the engine") {
  const auto folder = scratch() / "garbage";
  fs::create_directories(folder);
  std::ofstream(folder / "model.onnx") << "no model";
  CHECK_FALSE(OnnxRuntimeBackend().open(
      {.format = "onnx", .folder = folder.string(), .entry = "model.onnx"}, {}, {}));
  check_refused({.format = "gguf", .folder = folder.string(), .entry = "model.onnx"}, {}, "format");
}

TEST_CASE("the confined worker gives what the engine gives") {
  const WorkerBackend worker(STROP_ONNXRUNTIME_WORKER, {});
  CHECK(worker.info().unavailable_reason.empty());
  const auto session = taken(worker.open(f32(), {}, {.dir = scratch()}));
  const auto direct = open_f32({});
  const auto ids = laws::prompt(10, 49152);
  CHECK(taken(session->session().decoder()->generate(0, ids, 8, {})).ids ==
        taken(direct->decoder()->generate(0, ids, 8, {})).ids);
}
