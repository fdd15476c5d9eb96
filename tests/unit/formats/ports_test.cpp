// What a model takes and gives, as its file says it.
#include "formats/ports.h"

#include <doctest/doctest.h>

#include "formats/onnx.h"
#include "formats/openvino_ir.h"
#include "support/bytes.h"
#include "support/temporary_folder.h"

using namespace strop;
using namespace strop::formats;
using test::field;
using test::TemporaryFolder;

namespace {

std::string dimension(std::int64_t size) {
  return field(1, field(1, static_cast<std::uint64_t>(size)));
}
std::string named_dimension() { return field(1, field(2, std::string("batch"))); }

// A ValueInfoProto.
std::string value(const std::string& name, std::uint64_t type, const std::string& shape) {
  return field(1, name) + field(2, field(1, field(1, type) + field(2, shape)));
}

Result<Model> onnx(const std::string& graph) {
  const TemporaryFolder folder;
  return read_onnx(folder.write("m.onnx", field(1, 8) + field(7, graph)));
}

Result<Model> ir(const std::string& layers, const std::string& edges = {}) {
  const TemporaryFolder folder;
  folder.write("m.bin", "x");
  return read_openvino_ir(folder.write(
      "m.xml", "<net><layers>" + layers + "</layers><edges>" + edges + "</edges></net>"));
}

Port port(const std::string& type, std::vector<std::int64_t> shape, const std::string& name = "x") {
  return {.name = name, .type = type, .shape = std::move(shape)};
}

}  // namespace

TEST_CASE("onnx: names, types and sizes, fixed, named or left out") {
  const auto model =
      onnx(field(11, value("image", 1, named_dimension() + dimension(3) + dimension(-1))) +
           field(11, value("flag", 9, "")) + field(11, field(1, std::string("bare"))) +
           field(12, value("scores", 10, dimension(1) + dimension(1000))));
  REQUIRE(model);
  REQUIRE(model->inputs.size() == 3);
  CHECK(model->inputs[0] == port("f32", {-1, 3, -1}, "image"));
  CHECK(model->inputs[1] == port("boolean", {}, "flag"));
  CHECK(model->inputs[2] == Port{.name = "bare", .type = "other", .shape = {}, .any_rank = true});
  CHECK(model->outputs == std::vector{port("f16", {1, 1000}, "scores")});
  CHECK(model->kind == ModelKind::other);
}

TEST_CASE("onnx: an input with a default is a weight") {
  const std::string tensor =
      field(1, 1) + field(2, 1) + field(8, std::string("w")) + field(9, std::string(4, '\1'));
  const auto model = onnx(field(5, tensor) + field(11, value("w", 1, dimension(1))) +
                          field(11, value("x", 1, dimension(1))));
  REQUIRE(model);
  CHECK(model->inputs == std::vector{port("f32", {1})});
}

TEST_CASE("onnx: ports that no model has") {
  const auto refused = [](const std::string& graph, const char* where) {
    const auto model = onnx(graph);
    REQUIRE_FALSE(model);
    CHECK(model.error().code == ErrorCode::corrupt);
    CHECK(model.error().field == where);
  };
  const std::string one = field(11, value("x", 1, dimension(1)));
  refused(one + one, "name");
  refused(field(11, value("", 1, dimension(1))), "name");
  refused(field(11, value("\xff", 1, dimension(1))), "name");
  refused(field(11, value(std::string(257, 'x'), 1, "")), "name");
  refused(field(11, value("x", 1, dimension(std::int64_t{1} << 41))), "shape");
  std::string many;
  for (int i = 0; i < 17; ++i) many += dimension(1);
  refused(field(11, value("x", 1, many)), "shape");
  std::string inputs;
  for (int i = 0; i < 1025; ++i) inputs += field(11, value("x" + std::to_string(i), 1, ""));
  refused(inputs, "input");
}

TEST_CASE("ir: parameters and results of the graph itself") {
  const auto model = ir(
      R"(<layer id="2" name="r" type="Result"><input><port id="0" precision="FP32"><dim>-1</dim><dim>384</dim></port></input></layer>
         <layer id="0" name="p" type="Parameter"><data shape="?,3,224..448,8" element_type="f32"/>
           <output><port id="0" precision="FP32" names="a\,b&amp;c,other"><dim>-1</dim></port></output></layer>
         <layer id="1" name="loop" type="Loop"><body><layers>
           <layer id="9" name="inner" type="Parameter"><data shape="1" element_type="i64"/></layer></layers></body>
           <output><port id="5" precision="FP32" names="embedding"/></output></layer>
         <layer id="3" name="state" type="Parameter"><data shape="" element_type="boolean"/></layer>)",
      R"(<edge from-layer="1" from-port="5" to-layer="2" to-port="0"/>)");
  REQUIRE(model);
  REQUIRE(model->inputs.size() == 2);
  CHECK(model->inputs[0].name == "a,b&c");
  CHECK(model->inputs[0].type == "f32");
  CHECK(model->inputs[0].shape == std::vector<std::int64_t>{-1, 3, -1, 8});
  CHECK(model->inputs[1] == port("boolean", {}, "state"));
  CHECK(model->outputs == std::vector{port("f32", {-1, 384}, "embedding")});
}

TEST_CASE("ir: shapes that are no numbers, or too many") {
  const auto shape = [](const std::string& text) {
    return ir("<layer id=\"0\" name=\"p\" type=\"Parameter\"><data shape=\"" + text +
              "\" element_type=\"f32\"/></layer>");
  };
  CHECK(shape("1,2"));
  CHECK(shape("..."));
  for (const char* wrong :
       {"1,,2", "x", "-2", "1,2,", "99999999999999999999", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"}) {
    CAPTURE(wrong);
    CHECK_FALSE(shape(wrong));
  }
}

TEST_CASE("the kind is told from the ports only where they tell it") {
  const auto kind = [](Port input, Port output) {
    return kind_of_graph({std::move(input)}, {std::move(output)});
  };
  const Port scores = port("f32", {-1, 1000});
  CHECK(kind(port("f32", {-1, 3, 224, 224}), scores) == ModelKind::vision);
  CHECK(kind(port("u8", {1, -1, -1, 3}), scores) == ModelKind::vision);
  CHECK(kind(port("f32", {-1, 80, 3000, 1}), scores) == ModelKind::vision);
  CHECK(kind(port("f32", {-1, 80, 3000}), scores) == ModelKind::other);
  CHECK(kind(port("f32", {2, 8, 64, 64}), scores) == ModelKind::other);
  CHECK(kind(port("i64", {-1, 3, 224, 224}), scores) == ModelKind::other);
  const Port ids = port("i64", {-1, -1}, "input_ids");
  CHECK(kind(ids, port("f32", {-1, -1, 384})) == ModelKind::embedding);
  CHECK(kind(ids, port("f32", {-1, -1, 50000}, "logits")) == ModelKind::other);
  CHECK(kind(port("i64", {-1, -1}, "tokens"), port("f32", {-1, 384})) == ModelKind::other);
  CHECK(takes_token_ids({ids, port("i64", {-1, -1}, "attention_mask")}));
  CHECK_FALSE(takes_token_ids({ids, port("i64", {-1, -1}, "position_ids")}));
  CHECK_FALSE(takes_token_ids({port("i64", {-1, -1}, "attention_mask")}));
}
