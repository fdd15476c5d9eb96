#include "formats/npz.h"

#include <doctest/doctest.h>

#include <fstream>

#include "formats/npy.h"
#include "support/temporary_folder.h"

using namespace strop;
using namespace strop::formats;
using test::TemporaryFolder;

namespace {

Tensor filled(const std::string& name, ElementType type, std::vector<std::int64_t> shape) {
  Tensor tensor{.name = name, .type = type, .shape = std::move(shape), .data = {}};
  tensor.data.resize(*array_bytes(type, tensor.shape));
  for (std::size_t i = 0; i < tensor.data.size(); ++i)
    tensor.data[i] = static_cast<std::byte>(i * 37 + name.size());
  return tensor;
}

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("npz: arrays of every type and shape come back as they were") {
  const TemporaryFolder folder;
  std::vector<Tensor> arrays;
  for (const ElementType type :
       {ElementType::f32, ElementType::f16, ElementType::i64, ElementType::i32, ElementType::i8,
        ElementType::u8, ElementType::boolean}) {
    for (const std::vector<std::int64_t>& shape :
         std::vector<std::vector<std::int64_t>>{{}, {1}, {3}, {0, 4}, {1, 2, 3, 4}, {70000}})
      arrays.push_back(filled("a" + std::to_string(arrays.size()), type, shape));
  }
  arrays.push_back(filled("serving/in put:0", ElementType::f32, {2}));
  arrays.push_back(filled("\xE5\xBC\xA0", ElementType::f32, {2}));
  const auto path = folder.path() / "000000.npz";
  REQUIRE(write_npz(path, arrays));
  const auto read = read_npz(path);
  REQUIRE(read);
  REQUIRE(read->size() == arrays.size());
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    CAPTURE(i);
    CHECK((*read)[i].name == arrays[i].name);
    CHECK((*read)[i].type == arrays[i].type);
    CHECK((*read)[i].shape == arrays[i].shape);
    CHECK((*read)[i].data == arrays[i].data);
  }
  REQUIRE(write_npz(folder.path() / "again.npz", *read));
  CHECK(bytes_of(path) == bytes_of(folder.path() / "again.npz"));
}

TEST_CASE("npz: no arrays are a file too") {
  const TemporaryFolder folder;
  REQUIRE(write_npz(folder.path() / "a.npz", {}));
  const auto read = read_npz(folder.path() / "a.npz");
  REQUIRE(read);
  CHECK(read->empty());
}

TEST_CASE("npz: arrays that cannot be written are refused, and leave no file") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.npz";
  const auto code = [&](const std::vector<Tensor>& arrays) {
    const auto written = write_npz(path, arrays);
    REQUIRE_FALSE(written);
    CHECK_FALSE(std::filesystem::exists(path));
    return written.error().code;
  };
  const Tensor good = filled("a", ElementType::f32, {2});
  Tensor other = good;
  CHECK(code({good, other}) == ErrorCode::invalid_input);
  for (const std::string& name :
       {std::string(), std::string(257, 'a'), std::string("a\nb"), std::string("\xff")}) {
    other.name = name;
    CHECK(code({other}) == ErrorCode::invalid_input);
  }
  other = good;
  other.data.pop_back();
  CHECK(code({other}) == ErrorCode::invalid_input);
  other = good;
  other.type = ElementType::bf16;
  CHECK(code({other}) == ErrorCode::unsupported);
}

TEST_CASE("npy: the data begins at a multiple of 64, where NumPy puts it") {
  for (const std::vector<std::int64_t>& shape :
       std::vector<std::vector<std::int64_t>>{{}, {1}, {123456789, 123456789, 1, 1, 1, 1}}) {
    const std::string text = npy_header(ElementType::i64, shape);
    CHECK(text.size() % 64 == 0);
    const auto header = read_npy_header(text, "a");
    REQUIRE(header);
    CHECK(header->shape == shape);
    CHECK(header->descr == "<i8");
    CHECK(header->data_offset == text.size());
  }
}
