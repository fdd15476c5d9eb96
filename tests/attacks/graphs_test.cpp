// ONNX and OpenVINO IR files that are broken on purpose.
#include "attacks/refused.h"
#include "formats/model_file.h"
#include "formats/onnx.h"
#include "formats/openvino_ir.h"
#include "support/bytes.h"

using namespace strop;
using namespace strop::test;
using namespace strop::formats;

namespace {

// TensorProto of two f32.
std::string tensor(std::uint64_t dimension = 2, std::size_t bytes = 8) {
  return field(1, dimension) + field(2, 1) + field(9, std::string(bytes, '\1'));
}

std::string model_of(const std::string& graph) { return field(1, 8) + field(7, graph); }

std::string external(const std::string& location, const std::string& more = {}) {
  return field(1, 2) + field(2, 1) +
         field(13, field(1, std::string("location")) + field(2, location)) + more + field(14, 1);
}

std::string place(const std::string& key, const std::string& value) {
  return field(13, field(1, key) + field(2, value));
}

Result<Model> onnx(const std::string& bytes) {
  const TemporaryFolder folder;
  folder.write("data.bin", std::string(8, '\1'));
  return read_onnx(folder.write("m.onnx", bytes));
}

Result<Model> onnx_tensor(const std::string& bytes) { return onnx(model_of(field(5, bytes))); }

// A graph in an attribute of a node, and so on.
std::string nested(int depth) {
  std::string graph = field(5, tensor());
  for (int i = 0; i < depth; ++i) graph = field(1, field(5, field(6, graph)));
  return graph;
}

Result<Model> ir(const std::string& xml, const std::string& weights = std::string(16, '\1')) {
  const TemporaryFolder folder;
  folder.write("m.bin", weights);
  return read_openvino_ir(folder.write("m.xml", xml));
}

std::string layer(const std::string& data) {
  return "<?xml version=\"1.0\"?><net name=\"n\" version=\"11\"><layers><layer id=\"0\">" + data +
         "</layer></layers></net>";
}

}  // namespace

TEST_CASE("onnx: the file that the others are made from is right") {
  const auto model = onnx_tensor(tensor());
  REQUIRE(model);
  CHECK(model->parameter_count == 2);
  CHECK(model->precision == "f32");
  CHECK(onnx_tensor(external("data.bin")));
}

TEST_CASE("onnx: cut at every byte, and no model at all") {
  const std::string whole = model_of(field(5, tensor()));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(onnx(whole.substr(0, size)));
  }
  CHECK_FALSE(onnx("hello"));
  CHECK_FALSE(onnx(std::string(100, '\xff')));
}

TEST_CASE("onnx: lengths, numbers and wire types that lead astray") {
  CHECK_FALSE(onnx(varint(7 << 3 | 2) + varint(~0ull)));
  CHECK_FALSE(onnx(varint(1 << 3) + std::string(11, '\xff')));
  CHECK_FALSE(onnx(model_of({}) + varint(9 << 3 | 3)));
  CHECK_FALSE(onnx(model_of({}) + varint(0 << 3 | 2) + varint(0)));
}

TEST_CASE("onnx: dimensions that overflow, or that no data stands behind") {
  check_refused(onnx_tensor(field(1, 1ull << 32) + field(1, 1ull << 32) + field(2, 1)),
                ErrorCode::corrupt, "dims");
  check_refused(onnx_tensor(field(1, 1'000'000'000'000ull) + field(2, 1)), ErrorCode::corrupt,
                "dims");
  check_refused(onnx_tensor(field(1, ~0ull) + field(2, 1)), ErrorCode::corrupt, "dims");
  check_refused(onnx_tensor(tensor(3)), ErrorCode::corrupt, "raw_data");
  check_refused(onnx_tensor(tensor(2, 9)), ErrorCode::corrupt, "raw_data");
  check_refused(onnx_tensor(field(1, std::string("\x80")) + field(2, 1)), ErrorCode::corrupt,
                "dims");
}

TEST_CASE("onnx: subgraphs in subgraphs") {
  CHECK(onnx(model_of(nested(8))));
  check_refused(onnx(model_of(nested(9))), ErrorCode::corrupt, "graph");
  check_refused(onnx(model_of(nested(2000))), ErrorCode::corrupt, "graph");
}

TEST_CASE("onnx: external data outside of the folder, wherever a tensor can hide") {
  for (const char* location : {"../data.bin", "a/../../data.bin", "/etc/passwd", "..", ""}) {
    CAPTURE(location);
    const std::string bad = external(location);
    check_refused(onnx_tensor(bad), ErrorCode::invalid_input, "external_data");
    const std::string in_attribute = field(1, field(5, field(5, bad)));
    CHECK_FALSE(onnx(model_of(in_attribute)));
    CHECK_FALSE(onnx(model_of(field(15, field(1, bad)))));  // sparse initializer
    CHECK_FALSE(onnx(model_of(field(1, field(5, field(22, field(2, bad)))))));  // sparse attribute
    CHECK_FALSE(onnx(model_of({}) + field(20, field(1, field(5, bad)))));       // training graph
    CHECK_FALSE(onnx(model_of({}) + field(25, field(7, field(5, field(5, bad))))));  // function
  }
}

TEST_CASE("onnx: external data through links") {
  const TemporaryFolder outside, folder;
  const auto secret = outside.write("secret", std::string(8, '\1'));
  const auto path = folder.write("m.onnx", model_of(field(5, external("data.bin"))));
  CHECK_FALSE(read_onnx(path));
  std::filesystem::create_symlink(secret, folder.path() / "data.bin");
  check_refused(read_onnx(path), ErrorCode::invalid_input, "path");
  std::filesystem::remove(folder.path() / "data.bin");
  std::filesystem::create_hard_link(secret, folder.path() / "data.bin");
  check_refused(read_onnx(path), ErrorCode::invalid_input, "external_data");
}

TEST_CASE("onnx: external ranges past the end, too short, overlapping or no numbers") {
  for (const auto& more : {place("offset", "1"), place("length", "9"),
                           place("offset", "18446744073709551615"), place("length", "-1"),
                           place("offset", " 0"), place("offset", "0x0"), place("length", "4")}) {
    CHECK_FALSE(onnx_tensor(external("data.bin", more)));
  }
  const std::string half = field(1, 1) + field(2, 1);
  const auto at = [&](const char* offset) {
    return field(5, half + place("location", "data.bin") + place("offset", offset) + field(14, 1));
  };
  CHECK(onnx(model_of(at("0") + at("4"))));
  CHECK_FALSE(onnx(model_of(at("0") + at("2"))));
}

TEST_CASE("ir: the file that the others are made from is right") {
  CHECK(ir(layer(R"(<data element_type="f32" shape="4" offset="0" size="16"/>)")));
}

TEST_CASE("ir: cut at every byte") {
  const std::string whole = layer(R"(<data element_type="f32" offset="0" size="16"/>)");
  for (std::size_t size = 1; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(ir(whole.substr(0, size)));
  }
}

TEST_CASE("ir: document types and the entities they define") {
  check_refused(ir("<!DOCTYPE net [<!ENTITY a \"b\">]>" + layer("")), ErrorCode::corrupt, "xml");
  check_refused(ir("<!DOCTYPE net SYSTEM \"file:///etc/passwd\"><net/>"), ErrorCode::corrupt,
                "xml");
  check_refused(ir("<net><![CDATA[x]]></net>"), ErrorCode::corrupt, "xml");
}

TEST_CASE("ir: elements too deep, crossed or closed twice") {
  const auto deep = [](int depth) {
    std::string xml = "<net>";
    for (int i = 1; i < depth; ++i) xml += "<body>";
    for (int i = 1; i < depth; ++i) xml += "</body>";
    return xml + "</net>";
  };
  CHECK(ir(deep(16)));
  check_refused(ir(deep(17)), ErrorCode::corrupt, "xml");
  check_refused(ir(deep(100'000)), ErrorCode::corrupt, "xml");
  check_refused(ir("<net><layers></net></layers>"), ErrorCode::corrupt, "xml");
  check_refused(ir("<net></net></net>"), ErrorCode::corrupt, "xml");
  check_refused(ir("<net a=\"1\" a=\"2\"></net>"), ErrorCode::corrupt, "xml");
  check_refused(ir("<net a=1></net>"), ErrorCode::corrupt, "xml");
  check_refused(ir("<other/>"), ErrorCode::corrupt, "xml");
}

TEST_CASE("ir: constants outside of the .bin, and no .bin") {
  for (const char* range : {R"(offset="1" size="16")", R"(offset="0" size="17")",
                            R"(offset="18446744073709551615" size="1")", R"(offset="-1" size="1")",
                            R"(offset="0" size="1e1")", R"(offset="" size="1")"}) {
    CAPTURE(range);
    check_refused(ir(layer(str("<data ", range, "/>"))), ErrorCode::corrupt, "xml");
  }
  const TemporaryFolder folder;
  const auto alone = read_openvino_ir(folder.write("m.xml", layer("")));
  REQUIRE_FALSE(alone);
  CHECK(alone.error().code == ErrorCode::not_found);
}

TEST_CASE("a file of no known format, or one that carries code, whatever its name") {
  const TemporaryFolder folder;
  const auto code_of = [&](const std::string& name, const std::string& bytes) {
    const auto model = read_model(folder.write(name, bytes));
    REQUIRE_FALSE(model);
    return model.error().code;
  };
  CHECK(code_of("m.onnx", std::string("\x80\x04\x95.", 4)) == ErrorCode::unsupported);
  CHECK(code_of("m.gguf", "PK\x03\x04") == ErrorCode::unsupported);
  CHECK(code_of("m.onnx", "\x89HDF\r\n") == ErrorCode::unsupported);
  CHECK(code_of("m.onnx", "\x93NUMPY") == ErrorCode::unsupported);
  CHECK(code_of("m.gguf", "hello") == ErrorCode::invalid_input);
  CHECK(code_of("m.gguf", "") == ErrorCode::corrupt);
  CHECK(code_of("m.safetensors", safetensors("{}", "")) == ErrorCode::invalid_input);
  const auto absent = read_model(folder.path() / "absent");
  REQUIRE_FALSE(absent);
  CHECK(absent.error().code == ErrorCode::not_found);
}
