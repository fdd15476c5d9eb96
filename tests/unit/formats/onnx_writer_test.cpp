// What is written is what onnx.proto says, byte for byte, and what our own reader takes.
#include "formats/onnx_writer.h"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "formats/onnx.h"
#include "strop/version.h"
#include "support/bytes.h"
#include "support/temporary_folder.h"

using namespace strop;
using namespace strop::test;
using namespace strop::formats;

namespace {

std::string contents(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::string text(const char* word) { return word; }

// A writer that has begun PATH/m.onnx.
struct Begun {
  TemporaryFolder folder;
  OnnxWriter writer;
  std::filesystem::path path = folder.path() / "m.onnx";
  Begun() {
    REQUIRE(writer.begin(path));
    writer.opset("", 18);
  }
};

}  // namespace

TEST_CASE("a graph is written field by field as onnx.proto numbers them") {
  Begun begun;
  begun.writer.opset("com.microsoft", 1);
  begun.writer.input({"x", OnnxType::i64, {"batch", std::int64_t{300}}});
  begun.writer.output({"y", OnnxType::f32, {}});
  begun.writer.constant("c", OnnxType::u8, {2}, "\x01\x02");
  begun.writer.add({"Op",
                    {"x", "", "c"},
                    {"y"},
                    {{"i", std::int64_t{-1}},
                     {"f", 1.5f},
                     {"s", text("word")},
                     {"n", std::vector<std::int64_t>{1, 200}}},
                    "com.microsoft"});
  REQUIRE(begun.writer.finish());

  const auto attribute = [](const char* name, const std::string& value, std::uint64_t type) {
    return field(5, field(1, text(name)) + value + field(20, type));
  };
  const std::string float_field = varint(2 << 3 | 5) + raw(1.5f);
  const std::string node =
      field(1, text("x")) + field(1, text("")) + field(1, text("c")) + field(2, text("y")) +
      field(3, text("Op_0")) + field(4, text("Op")) +
      attribute("i", field(3, static_cast<std::uint64_t>(-1)), 2) + attribute("f", float_field, 1) +
      attribute("s", field(4, text("word")), 3) + attribute("n", field(8, 1) + field(8, 200), 7) +
      field(7, text("com.microsoft"));
  const std::string constant =
      field(1, 2) + field(2, 2) + field(8, text("c")) + field(9, text("\x01\x02"));
  const auto value = [](const char* name, std::uint64_t type, const std::string& shape) {
    return field(1, text(name)) + field(2, field(1, field(1, type) + field(2, shape)));
  };
  const std::string graph =
      field(1, node) + field(2, text("model")) + field(5, constant) +
      field(11, value("x", 7, field(1, field(2, text("batch"))) + field(1, field(1, 300)))) +
      field(12, value("y", 1, ""));
  CHECK(contents(begun.path) ==
        field(1, 9) + field(2, text("strop")) + field(3, text(STROP_VERSION)) + field(7, graph) +
            field(8, field(2, 18)) + field(8, field(1, text("com.microsoft")) + field(2, 1)));
}

TEST_CASE("tensors that take turns come out whole, aligned, and readable") {
  Begun begun;
  const auto large = begun.writer.tensor("large", OnnxType::u8, {1 << 20});
  const auto first = begun.writer.tensor("first", OnnxType::f32, {2, 2});
  const auto second = begun.writer.tensor("second", OnnxType::u8, {3});
  begun.writer.alias("again", OnnxType::u8, {16}, first);
  REQUIRE(begun.writer.append(second, "ab"));
  REQUIRE(begun.writer.append(first, std::string(16, 'f')));
  REQUIRE(begun.writer.append(second, "c"));
  REQUIRE(begun.writer.append(large, std::string(1 << 20, 'l')));
  REQUIRE(begun.writer.finish());

  const std::string data = contents(begun.folder.path() / "m.onnx.data");
  CHECK(data == std::string(1 << 20, 'l') + std::string(16, 'f') + std::string(48, '\0') + "abc");
  const auto model = read_onnx(begun.path);
  REQUIRE(model);
  // The alias is no weight of its own.
  CHECK(model->weight_bytes == (1 << 20) + 16 + 3);
  CHECK(model->parameter_count == (1 << 20) + 4 + 3);
  CHECK(model->precision == "u8");
  CHECK(model->provenance == "strop");
}

TEST_CASE("a tensor with too few or too many bytes leaves no file") {
  for (const std::string& bytes : {text("abc"), text("abcde")}) {
    const TemporaryFolder folder;
    {
      OnnxWriter writer;
      REQUIRE(writer.begin(folder.path() / "m.onnx"));
      const auto slot = writer.tensor("t", OnnxType::f32, {1});
      const auto appended = writer.append(slot, bytes);
      const auto finished = writer.finish();
      CHECK(bool(appended) == (bytes.size() <= 4));
      REQUIRE_FALSE(finished);
      CHECK(finished.error().code == ErrorCode::io);
    }
    CHECK(std::filesystem::is_empty(folder.path()));
  }
}

TEST_CASE("a file is replaced whole, and a writer that is given up leaves the old one") {
  const TemporaryFolder folder;
  const auto write = [&](char value, bool finish) {
    OnnxWriter writer;
    REQUIRE(writer.begin(folder.path() / "m.onnx"));
    REQUIRE(writer.append(writer.tensor("t", OnnxType::u8, {1}), std::string(1, value)));
    if (finish) REQUIRE(writer.finish());
  };
  write('a', true);
  write('b', false);
  CHECK(contents(folder.path() / "m.onnx.data") == "a");
  CHECK(read_onnx(folder.path() / "m.onnx"));
  write('c', true);
  CHECK(contents(folder.path() / "m.onnx.data") == "c");
}
