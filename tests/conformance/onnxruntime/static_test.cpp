// Static quantisation: the histogram's laws, and a small network in int8 against itself in f32.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <random>

#include "backend.h"
#include "core/proxy.h"
#include "formats/npz.h"
#include "formats/onnx_graph.h"
#include "formats/onnx_writer.h"
#include "histogram.h"
#include "static_plan.h"
#include "static_quantize.h"
#include "support/temporary_folder.h"

namespace fs = std::filesystem;

namespace {

using namespace strop;
using namespace strop::onnxruntime;
using formats::OnnxType;

template <class T>
T taken(Result<T> result) {
  REQUIRE_MESSAGE(result, result.error().message);
  return *std::move(result);
}

std::vector<float> drawn(std::size_t count, std::uint32_t seed, float spread) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

std::string_view bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

// Two convolutions with a sum around the second, pooled, and classes: f32[n, 3, 16, 16] -> f32[n,
// 5].
fs::path network(const fs::path& folder) {
  fs::create_directories(folder);
  formats::OnnxWriter writer;
  REQUIRE(writer.begin(folder / "model.onnx"));
  writer.opset("", 17);
  writer.input({"x", OnnxType::f32, {"n", std::int64_t{3}, std::int64_t{16}, std::int64_t{16}}});
  writer.output({"y", OnnxType::f32, {"n", std::int64_t{5}}});
  const auto weight = [&](const char* name, const std::vector<std::int64_t>& shape,
                          std::uint32_t seed, float spread) {
    std::size_t count = 1;
    for (const auto size : shape) count *= static_cast<std::size_t>(size);
    const auto slot = writer.tensor(name, OnnxType::f32, shape);
    REQUIRE(writer.append(slot, bytes_of(drawn(count, seed, spread))));
  };
  weight("w1", {8, 3, 3, 3}, 1, 0.3f);
  weight("b1", {8}, 2, 0.1f);
  weight("w2", {8, 8, 3, 3}, 3, 0.2f);
  weight("w3", {5, 8}, 4, 0.5f);
  weight("b3", {5}, 5, 0.1f);
  const formats::OnnxAttribute pads{"pads", std::vector<std::int64_t>{1, 1, 1, 1}};
  writer.add({"Conv", {"x", "w1", "b1"}, {"c1"}, {pads}});
  writer.add({"Relu", {"c1"}, {"r1"}});
  writer.add({"Conv", {"r1", "w2"}, {"c2"}, {pads}});
  writer.add({"Add", {"r1", "c2"}, {"s"}});
  writer.add({"GlobalAveragePool", {"s"}, {"p"}});
  writer.add({"Flatten", {"p"}, {"f"}});
  writer.add({"Gemm", {"f", "w3", "b3"}, {"y"}, {{"transB", std::int64_t{1}}}});
  REQUIRE(writer.finish());
  return folder / "model.onnx";
}

Tensor image(std::uint32_t seed) {
  const auto values = drawn(3 * 16 * 16, seed, 1);
  Tensor tensor{.name = "x", .type = ElementType::f32, .shape = {1, 3, 16, 16}, .data = {}};
  tensor.data.resize(values.size() * 4);
  std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
  return tensor;
}

fs::path samples(const fs::path& folder, std::uint32_t count) {
  fs::create_directories(folder);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::vector tensors{image(100 + i)};
    REQUIRE(formats::write_npz(folder / str("00000", i, ".npz"), tensors));
  }
  return folder;
}

std::vector<float> answer(TensorSession& session, const Tensor& input) {
  const std::vector inputs{input};
  const auto inference = taken(session.infer(inputs));
  std::vector<float> values(inference.outputs.at(0).data.size() / 4);
  std::memcpy(values.data(), inference.outputs[0].data.data(), values.size() * 4);
  return values;
}

Recipe static_recipe(std::map<std::string, std::string> params = {}) {
  params.insert({{"to", "onnx"}, {"method", "static"}, {"type", "int8"}});
  Recipe recipe{.name = "int8_static", .backend = "onnxruntime"};
  recipe.steps.push_back({"onnxruntime", Operation::quantize, std::move(params)});
  return recipe;
}

Result<Artifact> quantised(const fs::path& model, const Recipe& recipe, const Workspace& at) {
  fs::create_directories(at.dir);
  return OnnxRuntimeBackend().build({.path = model.string(), .format = "onnx"}, recipe, 0, at);
}

std::size_t count(const formats::OnnxGraph& graph, const std::string& op) {
  return static_cast<std::size_t>(std::count_if(graph.nodes().begin(), graph.nodes().end(),
                                                [&](const auto& node) { return node.op == op; }));
}

}  // namespace

TEST_CASE(
    "a histogram's range does not depend on the order of the values, and holds its percentile") {
  auto values = drawn(20000, 7, 3);
  values.push_back(500);  // one far away: the range doubles many times
  Histogram forward, backward;
  for (const float value : values) forward.add({&value, 1});
  std::reverse(values.begin(), values.end());
  backward.add(values);
  CHECK(forward.count() == values.size());
  for (const double percentile : {90.0, 99.0, 99.99, 100.0})
    CHECK(forward.range(percentile) == backward.range(percentile));
  CHECK(forward.range(100).most == 500);
  std::sort(values.begin(), values.end());
  const Range range = forward.range(99);
  const float bin = 2 * 512.0f / Histogram::kBins;
  CHECK(std::fabs(range.least - values[values.size() / 200]) <= 2 * bin);
  CHECK(std::fabs(range.most - values[values.size() - values.size() / 200 - 1]) <= 2 * bin);
}

TEST_CASE("a histogram leaves out what is not finite, and knows zeros") {
  Histogram histogram;
  CHECK(histogram.range(99) == Range{});
  const std::vector<float> odd{std::nanf(""), INFINITY, -INFINITY};
  histogram.add(odd);
  CHECK(histogram.count() == 0);
  const std::vector<float> zeros(10);
  histogram.add(zeros);
  CHECK(histogram.range(99.9) == Range{});
  const std::vector<float> mixed{std::nanf(""), -2, 1};
  histogram.add(mixed);
  CHECK(histogram.count() == 12);
  CHECK(histogram.range(100) == Range{-2, 1});
}

TEST_CASE("a network in int8 answers nearly as in f32, by a graph of fused pairs") {
  const test::TemporaryFolder folder;
  const fs::path model = network(folder.path() / "f32"),
                 data = samples(folder.path() / "samples", 8);
  for (const char* range : {"minmax", "percentile"}) {
    CAPTURE(range);
    const fs::path out = folder.path() / range;
    auto artifact = taken(
        quantised(model, static_recipe({{"range", range}}), {.dir = out, .calibration = data}));
    CHECK(artifact.files.size() == 2);
    CHECK_FALSE(fs::exists(out / ".scratch"));
    artifact.folder = out.string();
    const auto graph = taken(formats::OnnxGraph::open(out / "model.onnx"));
    CHECK(count(graph, "QuantizeLinear") == 6);  // x, r1, c2, s, p, f
    CHECK(graph.constants().at("w1/0/int8").type == 3);
    CHECK(fs::file_size(out / "model.onnx.data") <
          fs::file_size(folder.path() / "f32" / "model.onnx.data"));
    const auto opened = taken(OnnxRuntimeBackend().open(artifact, {}, {}));
    const auto original = taken(OnnxRuntimeBackend().open(
        {.format = "onnx", .folder = (folder.path() / "f32").string(), .entry = "model.onnx"}, {},
        {}));
    double error = 0, size = 0;
    for (std::uint32_t i = 0; i < 16; ++i) {
      const auto want = answer(*original->tensors(), image(500 + i)),
                 got = answer(*opened->tensors(), image(500 + i));
      for (std::size_t k = 0; k < want.size(); ++k) {
        error += std::pow(double{want[k]} - got[k], 2);
        size += std::pow(double{want[k]}, 2);
      }
    }
    CHECK(error < 3e-3 * size);  // 25 dB
    CHECK(error > 0);
  }
}

TEST_CASE("a product whose bias has another length than its channels stays as it is") {
  const test::TemporaryFolder folder;
  for (const std::int64_t length : {1, 4, 9}) {
    formats::OnnxWriter writer;
    REQUIRE(writer.begin(folder.path() / "model.onnx"));
    writer.opset("", 17);
    writer.input({"x", OnnxType::f32, {"n", std::int64_t{3}, std::int64_t{8}, std::int64_t{8}}});
    writer.output({"y", OnnxType::f32, {"n", std::int64_t{8}, std::int64_t{6}, std::int64_t{6}}});
    const auto weight = writer.tensor("w", OnnxType::f32, {8, 3, 3, 3});
    REQUIRE(writer.append(weight, bytes_of(drawn(216, 1, 1))));
    const auto bias = writer.tensor("b", OnnxType::f32, {length});
    REQUIRE(writer.append(bias, bytes_of(drawn(static_cast<std::size_t>(length), 2, 1))));
    writer.add({"Conv", {"x", "w", "b"}, {"y"}});
    REQUIRE(writer.finish());
    const auto graph = taken(formats::OnnxGraph::open(folder.path() / "model.onnx"));
    CHECK(plan_static(graph).products.empty());
  }
}

TEST_CASE("static quantisation refuses what it cannot do, by name") {
  const test::TemporaryFolder folder;
  const fs::path model = network(folder.path() / "f32"),
                 data = samples(folder.path() / "samples", 2);
  const auto refused = [&](const fs::path& from, const Recipe& recipe, const fs::path& calibration,
                           const std::string& field) {
    const auto made =
        quantised(from, recipe, {.dir = folder.path() / "out", .calibration = calibration});
    REQUIRE_FALSE(made);
    CHECK(made.error().field == field);
  };
  refused(model, static_recipe(), {}, "calibration");
  fs::create_directories(folder.path() / "empty");
  refused(model, static_recipe(), folder.path() / "empty", "calibration");
  refused(model, static_recipe({{"range", "entropy"}}), data, "range");
  refused(model, static_recipe({{"percentile", "101"}}), data, "percentile");
  refused(model, static_recipe({{"percentile", "99"}, {"range", "minmax"}}), data, "percentile");
  refused(model, static_recipe({{"type", "int4"}}), data, "type");
  refused(model, static_recipe({{"bits", "8"}}), data, "parameter");
  const fs::path out = folder.path() / "twice";
  auto once = taken(quantised(model, static_recipe(), {.dir = out, .calibration = data}));
  refused(out / "model.onnx", static_recipe(), data, "precision");
  Tensor other = image(1);
  other.name = "z";
  const std::vector wrong{other};
  REQUIRE(formats::write_npz(data / "000002.npz", wrong));
  refused(model, static_recipe(), data, "x");
}
