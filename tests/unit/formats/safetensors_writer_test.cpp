// What the writer writes, the reader reads; and a file that was not finished is not there.
#include "formats/safetensors_writer.h"

#include <doctest/doctest.h>

#include "formats/safetensors.h"
#include "support/temporary_folder.h"

using namespace strop;
using namespace strop::formats;
using test::TemporaryFolder;

namespace {

const std::vector<DeclaredTensor> kTensors{
    {"b", "bf16", {2, 3}}, {"a", "u32", {4}}, {"scalar", "f32", {}}, {"empty", "f32", {0, 7}}};

}  // namespace

TEST_CASE("safetensors: what is written is read back, byte for byte") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "model.safetensors";
  SafetensorsWriter writer;
  REQUIRE(writer.begin(path, kTensors, {{"format", "mlx"}}));
  REQUIRE(writer.append(std::string(11, 'b')));
  REQUIRE(writer.append("b" + std::string(16, 'a')));  // pieces need not be whole tensors
  REQUIRE(writer.append(std::string(4, 's')));
  CHECK_FALSE(std::filesystem::exists(path));
  REQUIRE(writer.finish());
  const auto model = read_safetensors_folder(folder.path());
  REQUIRE(model);
  CHECK(model->tensors.size() == 4);
  CHECK(model->find("a")->data == std::string(16, 'a'));
  CHECK(model->find("a")->type == "u32");
  CHECK(model->find("b")->data == std::string(12, 'b'));
  CHECK(model->find("b")->shape == std::vector<std::uint64_t>{2, 3});
  CHECK(model->find("scalar")->elements() == 1);
  CHECK(model->find("empty")->data.empty());
}

TEST_CASE("safetensors: too few or too many bytes leave no file behind") {
  const TemporaryFolder folder;
  for (const std::size_t bytes : {31, 33}) {
    SafetensorsWriter writer;
    REQUIRE(writer.begin(folder.path() / "model.safetensors", kTensors, {}));
    REQUIRE(writer.append(std::string(bytes, 'x')));
    const auto finished = writer.finish();
    REQUIRE_FALSE(finished);
    CHECK(finished.error().code == ErrorCode::io);
  }
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("safetensors: a type the format does not have and a name twice are refused") {
  const TemporaryFolder folder;
  SafetensorsWriter writer;
  CHECK_FALSE(writer.begin(folder.path() / "m", {{"a", "q4_0", {32}}}, {}));
  CHECK_FALSE(writer.begin(folder.path() / "m", {{"a", "f32", {1}}, {"a", "f32", {1}}}, {}));
  CHECK(std::filesystem::is_empty(folder.path()));
}
