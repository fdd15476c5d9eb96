// A graph that is no decoder in OpenVINO: what it computes, what it refuses, where it runs.
#include <cmath>
#include <cstring>
#include <fstream>

#include "core/hash.h"
#include "demo_model.h"
#include "formats/model_file.h"
#include "formats/onnx_writer.h"

namespace {

using namespace strop;
using namespace strop::openvino::test;
using formats::OnnxType;
namespace fs = std::filesystem;

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

constexpr std::size_t kColumns = 64;

float weight(std::size_t row, std::size_t column) {
  return static_cast<float>(row + 1) * 0.25f - static_cast<float>(column) * 0.125f;
}

// scores = x w on f32[batch, 3], and next = ids + 1 on i64[batch].
Artifact graph(const std::string& input = "x") {
  const auto folder = scratch() / ("graph-" + input);
  fs::create_directories(folder);
  std::vector<float> weights;
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < kColumns; ++column)
      weights.push_back(weight(row, column));
  }
  formats::OnnxWriter writer;
  REQUIRE(writer.begin(folder / "model.onnx"));
  writer.opset("", 17);
  writer.input({input, OnnxType::f32, {std::string("batch"), std::int64_t{3}}});
  writer.input({"ids", OnnxType::i64, {std::string("batch")}});
  writer.constant("one", OnnxType::i64, {1}, bytes_of(std::vector<std::int64_t>{1}));
  const auto slot = writer.tensor("w", OnnxType::f32, {3, kColumns});
  REQUIRE(writer.append(slot, bytes_of(weights)));
  writer.add({"MatMul", {input, "w"}, {"scores"}});
  writer.add({"Add", {"ids", "one"}, {"next"}});
  writer.output({"scores", OnnxType::f32, {std::string("batch"), std::int64_t{kColumns}}});
  writer.output({"next", OnnxType::i64, {std::string("batch")}});
  REQUIRE(writer.finish());
  return {.format = "onnx", .folder = folder.string(), .entry = "model.onnx"};
}

template <class T>
Tensor tensor(const std::string& name, ElementType type, std::vector<std::int64_t> shape,
              const std::vector<T>& values) {
  Tensor made{.name = name, .type = type, .shape = std::move(shape), .data = {}};
  made.data.resize(values.size() * sizeof(T));
  std::memcpy(made.data.data(), values.data(), made.data.size());
  return made;
}

std::vector<Tensor> inputs(std::int64_t batch) {
  std::vector<float> x;
  std::vector<std::int64_t> ids;
  for (std::int64_t i = 0; i < batch; ++i) {
    for (int column = 0; column < 3; ++column)
      x.push_back(static_cast<float>(i) + 0.5f * static_cast<float>(column));
    ids.push_back(100 + i);
  }
  return {tensor("x", ElementType::f32, {batch, 3}, x),
          tensor("ids", ElementType::i64, {batch}, ids)};
}

Tensor output(const Inference& inference, const std::string& name) {
  for (const auto& made : inference.outputs) {
    if (made.name == name) return made;
  }
  FAIL("there is no output ", name);
  return {};
}

template <class T>
std::vector<T> values(const Tensor& from) {
  std::vector<T> made(from.data.size() / sizeof(T));
  std::memcpy(made.data(), from.data.data(), from.data.size());
  return made;
}

void check_right(Session& session, std::int64_t batch, double tolerance = 1e-5) {
  const auto given = inputs(batch);
  const auto inference = taken(session.tensors()->infer(given));
  CHECK(inference.seconds > 0);
  const auto scores = output(inference, "scores"), next = output(inference, "next");
  CHECK(scores.shape == std::vector<std::int64_t>{batch, kColumns});
  CHECK(next.shape == std::vector<std::int64_t>{batch});
  const auto x = values<float>(given[0]), y = values<float>(scores);
  REQUIRE(y.size() == static_cast<std::size_t>(batch) * kColumns);
  for (std::size_t i = 0; i < y.size(); ++i) {
    double sum = 0;
    for (std::size_t k = 0; k < 3; ++k)
      sum += double{x[i / kColumns * 3 + k]} * weight(k, i % kColumns);
    CHECK(std::abs(sum - y[i]) <= tolerance);
  }
  const auto counted = values<std::int64_t>(next);
  for (std::size_t i = 0; i < counted.size(); ++i)
    CHECK(counted[i] == 101 + static_cast<std::int64_t>(i));
}

const RunOptions kExact{{"precision_hint", "f32"}};

std::unique_ptr<Session> opened_exact(RunOptions more = {}) {
  more.insert(kExact.begin(), kExact.end());
  return opened(graph(), more);
}

Error refused(std::vector<Tensor> given, Session& session) {
  auto result = session.tensors()->infer(given);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::invalid_input);
  return result.error();
}

Error not_opened(const RunOptions& options, const Workspace& workspace = {}) {
  auto session = openvino::OpenVinoBackend().open(graph(), options, workspace);
  REQUIRE_FALSE(session);
  return session.error();
}

Artifact converted(const std::string& name, std::map<std::string, std::string> params) {
  const auto folder = scratch() / name;
  fs::create_directories(folder);
  Recipe recipe{.name = name, .backend = "openvino"};
  recipe.steps.push_back({"openvino", Operation::convert, std::move(params)});
  const auto source = graph();
  const Model input{.path = (fs::path(source.folder) / source.entry).string(), .format = "onnx"};
  const auto beside = taken(files_of_model(input.path, input));
  auto artifact = taken(WorkerBackend(STROP_OPENVINO_WORKER, {})
                            .build(input, recipe, 0, {.dir = folder, .beside = beside}));
  artifact.folder = folder.string();
  return artifact;
}

std::string file_bytes(const Artifact& artifact, const std::string& name) {
  std::ifstream file(fs::path(artifact.folder) / name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("a graph is computed at every batch, and says how it runs") {
  const auto session = opened_exact({{"threads", "1"}});
  REQUIRE(session->tensors() != nullptr);
  for (const std::int64_t batch : {1, 3, 2}) check_right(*session, batch);
  const auto& options = session->info().run_options;
  CHECK(options.at("threads") == "1");
  CHECK(options.at("device") == "CPU");
  CHECK(options.at("execution_devices") == "CPU");
  CHECK(options.at("performance") == "latency");
  CHECK(options.at("precision_hint") == "f32");
  CHECK(options.at("streams") == "1");
  CHECK_FALSE(options.contains("kv_cache_precision"));
  CHECK(session->info().load_seconds > 0);
}

TEST_CASE("tensors that do not fit the model are refused by name") {
  const auto session = opened_exact();
  auto given = inputs(2);
  CHECK(refused({given[0]}, *session).field == "ids");
  CHECK(refused({given[0], given[1], given[1]}, *session).field == "ids");
  auto other = given;
  other.push_back(tensor<float>("z", ElementType::f32, {1}, {1}));
  CHECK(refused(other, *session).field == "inputs");
  other = given;
  other[1] = tensor<std::int32_t>("ids", ElementType::i32, {2}, {1, 2});
  CHECK(refused(other, *session).message.find("i64") != std::string::npos);
  other = given;
  other[0].shape = {2, 4};
  CHECK(refused(other, *session).message.find("[any, 3]") != std::string::npos);
  other[0].shape = {6};
  CHECK(refused(other, *session).field == "x");
  other[0].shape = {-1, 3};
  CHECK(refused(other, *session).field == "x");
  other[0].shape = {3, 3};
  CHECK(refused(other, *session).message.find("36 bytes") != std::string::npos);
  check_right(*session, 2);
}

TEST_CASE("inputs are made static, as far as the model allows") {
  const auto session = opened_exact({{"shape", "x[2,3],ids[2]"}});
  check_right(*session, 2);
  CHECK(refused(inputs(1), *session).message.find("[2, 3]") != std::string::npos);
  for (const auto* wrong : {"x", "x[", "x[]", "x[0,3]", "x[2,3", "[2,3]", "x[2,3]x[2,3]", "x[-1,3]",
                            "x[99999999999999999999,3]", "q[1]", "x[2,4]", "x[2]"}) {
    const auto error = not_opened({{"shape", wrong}});
    CHECK_MESSAGE(error.code == ErrorCode::invalid_input, wrong);
    CHECK_MESSAGE(error.field == "shape", wrong);
    CHECK_MESSAGE(error.hint.find("x [?,3]") != std::string::npos, error.hint);
  }
}

TEST_CASE("AUTO and HETERO compute the same and say where") {
  for (const auto* place : {"AUTO", "HETERO:CPU"}) {
    const auto session = opened_exact({{"device", place}, {"threads", "1"}});
    check_right(*session, 2);
    const auto& options = session->info().run_options;
    CHECK(options.at("device") == place);
    CHECK(options.at("execution_devices").find("CPU") != std::string::npos);
    CHECK(options.at("precision_hint") == "f32");
    CHECK(options.at("threads") == "1");
  }
}

TEST_CASE("a device that is not here is refused with the reason, and listed") {
  const WorkerBackend worker(STROP_OPENVINO_WORKER, {});
  const auto info = worker.info();
  const auto space = taken(worker.fit({.format = "onnx"}, {.local = true, .arch = "x86_64"})).space;
  for (const std::string name : {"GPU", "NPU"}) {
    const auto here = std::any_of(info.devices.begin(), info.devices.end(), [&](const auto& found) {
      return found.kind == (name == "GPU" ? DeviceKind::gpu : DeviceKind::npu);
    });
    if (here) continue;
    const auto error = not_opened({{"device", name}});
    CHECK(error.code == ErrorCode::unsupported);
    CHECK(error.field == "device");
    CHECK_MESSAGE(error.message.find(name + ": ") != std::string::npos, error.message);
    CHECK(std::any_of(info.notes.begin(), info.notes.end(),
                      [&](const auto& note) { return note.starts_with("no " + name + ": "); }));
    CHECK(std::any_of(space.skipped.begin(), space.skipped.end(),
                      [&](const auto& reason) { return reason.starts_with("no " + name + ": "); }));
  }
  CHECK(not_opened({{"device", "TPU"}}).code == ErrorCode::invalid_input);
  CHECK(not_opened({{"device", "HETERO:"}}).code == ErrorCode::invalid_input);
}

TEST_CASE("streams and the performance hint are in force or refused") {
  const auto session =
      opened_exact({{"performance", "throughput"}, {"streams", "2"}, {"threads", "2"}});
  CHECK(session->info().run_options.at("performance") == "throughput");
  CHECK(session->info().run_options.at("streams") == "2");
  check_right(*session, 2);
  CHECK(not_opened({{"streams", "0"}}).field == "streams");
  CHECK(not_opened({{"performance", "best"}}).field == "performance");
  CHECK(not_opened({{"kv_cache_precision", "u8"}}).field == "kv_cache_precision");
}

TEST_CASE("a kept compiled model is used again") {
  const auto folder = scratch() / "cached";
  fs::create_directories(folder);
  const Workspace workspace{.dir = folder};
  CHECK(not_opened({{"model_cache", "on"}}).field == "model_cache");
  for (int time = 0; time < 2; ++time) {
    const auto session = taken(openvino::OpenVinoBackend().open(
        graph(), {{"model_cache", "on"}, {"precision_hint", "f32"}}, workspace));
    check_right(*session, 2);
    MESSAGE("loaded in " << session->info().load_seconds << " s");
    const auto kept = std::distance(fs::directory_iterator(folder / "cache"), {});
    CHECK(kept == 1);
  }
}

TEST_CASE("ONNX becomes IR, whole or with 16-bit weights, the same bytes every time") {
  const auto whole = converted("whole", {{"type", "original"}});
  CHECK(whole.format == "openvino_ir");
  CHECK(file_bytes(whole, "openvino_model.xml") ==
        file_bytes(converted("again", {{"type", "original"}}), "openvino_model.xml"));
  check_right(*opened(whole, kExact), 2);
  const auto half = converted("half", {{"type", "f16"}});
  check_right(*opened(half, kExact), 2, 5e-3);
  CHECK(file_bytes(half, "openvino_model.bin").size() <
        file_bytes(whole, "openvino_model.bin").size());
  const auto fixed = converted("fixed", {{"type", "original"}, {"shape", "x[2,3]ids[2]"}});
  const auto session = opened(fixed, kExact);
  check_right(*session, 2);
  CHECK(refused(inputs(1), *session).field == "x");
}

TEST_CASE("a confined worker runs it on every place of this machine") {
  const WorkerBackend worker(STROP_OPENVINO_WORKER, {});
  const auto folder = scratch() / "confined";
  fs::create_directories(folder);
  for (const auto* place : {"CPU", "AUTO", "HETERO:CPU"}) {
    const auto session = taken(
        worker.open(graph(), {{"device", place}, {"precision_hint", "f32"}, {"model_cache", "on"}},
                    {.dir = folder}));
    check_right(session->session(), 3);
  }
}

TEST_CASE("a decoder as ONNX is no function of its inputs") {
  const auto session = openvino::OpenVinoBackend().open(graph("past_key_values.0.key"), {}, {});
  REQUIRE_FALSE(session);
  CHECK(session.error().code == ErrorCode::unsupported);
}
