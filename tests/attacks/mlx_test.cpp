// MLX folders that are broken on purpose.
#include "formats/mlx.h"

#include "attacks/refused.h"
#include "formats/model_file.h"
#include "formats/safetensors_writer.h"
#include "support/tiny_model.h"

using namespace strop;
using namespace strop::test;
using namespace strop::formats;

namespace {

using Json = nlohmann::json;

// One packed matrix of 2 rows and 64 columns, 4 bits in groups of 32. What breaks it is set before.
struct Folder {
  Json quantization = {{"bits", 4}, {"group_size", 32}, {"mode", "affine"}};
  std::vector<DeclaredTensor> tensors = {
      {"m.weight", "u32", {2, 8}}, {"m.scales", "bf16", {2, 2}}, {"m.biases", "bf16", {2, 2}}};

  Result<std::map<std::string, MlxMatrix>> read() const {
    const TemporaryFolder folder;
    folder.write("config.json", Json{{"quantization", quantization}}.dump());
    SafetensorsWriter writer;
    REQUIRE(writer.begin(folder.path() / "model.safetensors", tensors, {}));
    for (const DeclaredTensor& tensor : tensors)
      REQUIRE(writer.append(std::string(tensor.bytes(), '\1')));
    REQUIRE(writer.finish());
    STROP_TRY(const auto stated, read_mlx_quantization(folder.path()));
    STROP_TRY(const auto weights, read_safetensors_folder(folder.path()));
    if (!stated) return std::map<std::string, MlxMatrix>();
    return read_mlx_matrices(*stated, weights);
  }
};

}  // namespace

TEST_CASE("mlx: the folder that the others are made from is right") {
  const auto matrices = Folder().read();
  REQUIRE(matrices);
  REQUIRE(matrices->size() == 1);
  const MlxMatrix& matrix = matrices->at("m.weight");
  CHECK(matrix.rows == 2);
  CHECK(matrix.columns == 64);
  CHECK(matrix.grid == AffineGrid{4, 32});
}

TEST_CASE("mlx: a module has its own grid, or none") {
  Folder folder;
  folder.quantization["m"] = {{"bits", 8}, {"group_size", 64}};
  folder.tensors = {
      {"m.weight", "u32", {2, 32}}, {"m.scales", "f16", {2, 2}}, {"m.biases", "f16", {2, 2}}};
  const auto matrices = folder.read();
  REQUIRE(matrices);
  CHECK(matrices->at("m.weight").columns == 128);
  folder.quantization["m"] = false;
  check_refused(folder.read(), ErrorCode::corrupt, "m.scales");
}

TEST_CASE("mlx: what config.json states must be a grid that MLX has") {
  const Json kWrong[] = {7,
                         Json::array(),
                         Json::object(),
                         {{"bits", 4}},
                         {{"bits", 7}, {"group_size", 32}},
                         {{"bits", -4}, {"group_size", 32}},
                         {{"bits", 4.5}, {"group_size", 32}},
                         {{"bits", "4"}, {"group_size", 32}},
                         {{"bits", 4}, {"group_size", 0}},
                         {{"bits", 4}, {"group_size", 1ull << 40}},
                         {{"bits", 4}, {"group_size", 32}, {"mode", "nvfp4"}},
                         {{"bits", 4}, {"group_size", 32}, {"mode", 4}},
                         {{"bits", 4}, {"group_size", 32}, {"m", {{"bits", 4}}}},
                         {{"bits", 4}, {"group_size", 32}, {"m", "whole"}},
                         {{"bits", 4}, {"group_size", 32}, {"m", nullptr}}};
  for (const Json& wrong : kWrong) {
    CAPTURE(wrong.dump());
    Folder folder;
    folder.quantization = wrong;
    check_refused(folder.read(), ErrorCode::invalid_input);
  }
}

TEST_CASE("mlx: tensors must fit the stated grid and each other") {
  using Shape = std::vector<std::uint64_t>;
  const auto with = [](std::size_t index, const char* type, const Shape& shape) {
    Folder folder;
    folder.tensors[index].type = type;
    folder.tensors[index].shape = shape;
    check_refused(folder.read(), ErrorCode::corrupt, folder.tensors[index].name);
  };
  with(0, "u32", {2, 7});  // words do not fill the groups
  with(0, "u32", {2, 9});
  with(0, "u32", {3, 8});  // rows without scales
  with(0, "u32", {16});    // no matrix
  with(0, "u32", {2, 8, 1});
  with(0, "u32", {0, 8});
  with(0, "i32", {2, 8});
  with(1, "u8", {2, 2});   // no float
  with(1, "f32", {2, 2});  // other type than the biases
  with(1, "bf16", {4});
  Folder folder;
  folder.tensors[2].shape = {2, 1};
  check_refused(folder.read(), ErrorCode::corrupt, "m.scales");
}

TEST_CASE("mlx: parts without each other") {
  for (const std::size_t missing : {0, 1, 2}) {
    Folder folder;
    folder.tensors.erase(folder.tensors.begin() + static_cast<std::ptrdiff_t>(missing));
    CAPTURE(missing);
    check_refused(folder.read(), ErrorCode::corrupt);
  }
}

TEST_CASE("mlx: config.json that is no object, or cut at any byte") {
  const TemporaryFolder folder;
  const std::string right = R"({"quantization":{"bits":4,"group_size":32}})";
  for (std::size_t size = 0; size < right.size(); ++size) {
    folder.write("config.json", right.substr(0, size));
    CHECK_FALSE(read_mlx_quantization(folder.path()));
  }
  folder.write("config.json", right);
  CHECK(read_mlx_quantization(folder.path()));
  folder.write("config.json", "[]");
  const auto none = read_mlx_quantization(folder.path());
  REQUIRE(none);
  CHECK_FALSE(*none);
}

TEST_CASE("mlx: a model is told from a Hugging Face folder by its config.json") {
  const TemporaryFolder folder;
  TinyModel tiny;
  tiny.write_to(folder);
  const auto plain = read_model(folder.path());
  REQUIRE(plain);
  CHECK(plain->format == "huggingface");
  tiny.config["quantization"] = {{"bits", 4}, {"group_size", 32}};
  tiny.write_to(folder);
  const auto quantised = read_model(folder.path());
  REQUIRE(quantised);
  CHECK(quantised->format == "mlx");
  CHECK(quantised->parameter_count == plain->parameter_count);
}
