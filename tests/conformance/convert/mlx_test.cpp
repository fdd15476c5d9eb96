// MLX folders that the convert worker makes of a small model, and what it refuses to make.
#include <doctest/doctest.h>

#include <limits>

#include "backend.h"
#include "core/files.h"
#include "core/json.h"
#include "formats/gguf.h"
#include "formats/mlx.h"
#include "formats/model_file.h"
#include "support/tiny_model.h"

namespace {

using namespace strop;
using namespace strop::formats;
using test::TemporaryFolder;
using test::TinyModel;
using Params = std::map<std::string, std::string>;

// Width 96: groups of 32 fit, 64 and 128 do not, but for the down projection.
TinyModel wide_model() {
  TinyModel model;
  model.config["hidden_size"] = 96;
  model.config["num_attention_heads"] = 2;
  model.config["intermediate_size"] = 128;
  model.config["head_dim"] = 48;
  model.tensors = {{"model.embed_tokens.weight", {4, 96}},
                   {"model.layers.0.input_layernorm.weight", {96}},
                   {"model.layers.0.mlp.down_proj.weight", {96, 128}},
                   {"model.layers.0.mlp.gate_proj.weight", {128, 96}},
                   {"model.layers.0.mlp.up_proj.weight", {128, 96}},
                   {"model.layers.0.post_attention_layernorm.weight", {96}},
                   {"model.layers.0.self_attn.k_proj.weight", {48, 96}},
                   {"model.layers.0.self_attn.o_proj.weight", {96, 96}},
                   {"model.layers.0.self_attn.q_proj.weight", {96, 96}},
                   {"model.layers.0.self_attn.v_proj.weight", {48, 96}},
                   {"model.norm.weight", {96}}};
  return model;
}

struct Conversion {
  TemporaryFolder in, out;

  Result<Artifact> run(const TinyModel& model, Params params) const {
    model.write_to(in);
    STROP_TRY(const Model read, read_model(in.path()));
    params.emplace("to", "mlx");
    const Recipe recipe{.steps = {{"convert", Operation::quantize, params}}};
    return convert::ConvertBackend().build(read, recipe, 0, {.dir = out.path()});
  }

  std::map<std::string, MlxMatrix> matrices(const SafetensorsModel& weights) const {
    const auto quantization = read_mlx_quantization(out.path());
    REQUIRE(quantization);
    REQUIRE(*quantization);
    const auto found = read_mlx_matrices(**quantization, weights);
    REQUIRE(found);
    return *found;
  }
};

void check_refused(const Params& params, const std::string& field,
                   const TinyModel& model = wide_model()) {
  const Conversion conversion;
  const auto artifact = conversion.run(model, params);
  REQUIRE_FALSE(artifact);
  CHECK(artifact.error().field == field);
  CHECK(std::filesystem::is_empty(conversion.out.path()));
}

bool mentions(const Artifact& artifact, const std::string& words) {
  return std::any_of(artifact.notes.begin(), artifact.notes.end(),
                     [&](const auto& note) { return note.find(words) != std::string::npos; });
}

}  // namespace

TEST_CASE("an MLX folder has its weights, their index, the vocabulary and the tokenizer") {
  const Conversion conversion;
  const auto artifact = conversion.run(wide_model(), {{"group_size", "32"}});
  REQUIRE_MESSAGE(artifact, artifact.error().message);
  CHECK(artifact->format == "mlx");
  CHECK(artifact->entry == "config.json");
  for (const char* name : {"config.json", "model.safetensors", "model.safetensors.index.json",
                           "vocab.gguf", "tokenizer.json", "tokenizer_config.json"}) {
    CHECK_MESSAGE(std::filesystem::is_regular_file(conversion.out.path() / name), name);
    CHECK(std::any_of(artifact->files.begin(), artifact->files.end(),
                      [&](const auto& file) { return file.path == name; }));
  }
  const auto weights = read_safetensors_folder(conversion.out.path());
  REQUIRE(weights);
  CHECK(conversion.matrices(*weights).size() == 8);  // all but the three norms
  CHECK(mentions(*artifact, "bits per weight: "));
  CHECK_FALSE(mentions(*artifact, "stay whole"));
}

TEST_CASE("config.json states what readers would otherwise guess") {
  auto model = wide_model();
  model.config.erase("tie_word_embeddings");
  model.config.erase("rope_theta");
  model.config["_name_or_path"] = "/somewhere";
  model.tensors.emplace_back("lm_head.weight", std::vector<std::uint64_t>{4, 96});
  const Conversion conversion;
  const auto artifact = conversion.run(model, {{"group_size", "32"}, {"type", "bf16"}});
  REQUIRE_MESSAGE(artifact, artifact.error().message);
  const auto text = read_text(conversion.out.path() / "config.json");
  REQUIRE(text);
  const auto config = Json::parse(*text);
  CHECK(config["tie_word_embeddings"] == false);
  CHECK(config["rope_theta"] == 10000.0);
  CHECK(config["torch_dtype"] == "bfloat16");
  CHECK(config["quantization"] == config["quantization_config"]);
  CHECK_FALSE(config.contains("_name_or_path"));
}

TEST_CASE("matrices whose rows are no multiple of the group stay whole, and a note says so") {
  const Conversion conversion;
  const auto artifact = conversion.run(wide_model(), {{"group_size", "128"}});
  REQUIRE_MESSAGE(artifact, artifact.error().message);
  CHECK(mentions(*artifact, "7 matrices stay whole"));
  const auto weights = read_safetensors_folder(conversion.out.path());
  REQUIRE(weights);
  const auto matrices = conversion.matrices(*weights);
  REQUIRE(matrices.size() == 1);
  CHECK(matrices.contains("model.layers.0.mlp.down_proj.weight"));
}

TEST_CASE("modules have grids of their own, the first pattern that matches counts") {
  const Conversion conversion;
  const auto artifact = conversion.run(
      wide_model(),
      {{"group_size", "32"}, {"modules", "*.down_proj=8/128,*.mlp.*=6/32,*.q_proj=whole"}});
  REQUIRE_MESSAGE(artifact, artifact.error().message);
  const auto weights = read_safetensors_folder(conversion.out.path());
  REQUIRE(weights);
  const auto matrices = conversion.matrices(*weights);
  const std::string layer = "model.layers.0.";
  CHECK(matrices.at(layer + "mlp.down_proj.weight").grid == AffineGrid{8, 128});
  CHECK(matrices.at(layer + "mlp.up_proj.weight").grid == AffineGrid{6, 32});
  CHECK(matrices.at(layer + "self_attn.v_proj.weight").grid == AffineGrid{4, 32});
  CHECK_FALSE(matrices.contains(layer + "self_attn.q_proj.weight"));
}

TEST_CASE("sensitive modules get more bits, but where a pattern says otherwise") {
  auto model = wide_model();
  model.config["tie_word_embeddings"] = false;
  model.tensors.emplace_back("lm_head.weight", std::vector<std::uint64_t>{4, 96});
  const Conversion conversion;
  const auto artifact = conversion.run(model, {{"group_size", "32"},
                                               {"bits", "3"},
                                               {"sensitive_bits", "6"},
                                               {"modules", "*.down_proj=2/32"}});
  REQUIRE_MESSAGE(artifact, artifact.error().message);
  const auto weights = read_safetensors_folder(conversion.out.path());
  REQUIRE(weights);
  const auto matrices = conversion.matrices(*weights);
  const std::string layer = "model.layers.0.";  // the only one, so the last eighth
  CHECK(matrices.at(layer + "self_attn.v_proj.weight").grid == AffineGrid{6, 32});
  CHECK(matrices.at(layer + "self_attn.k_proj.weight").grid == AffineGrid{3, 32});
  CHECK(matrices.at(layer + "mlp.down_proj.weight").grid == AffineGrid{2, 32});
  CHECK(matrices.at("lm_head.weight").grid == AffineGrid{6, 32});
}

TEST_CASE("the way back gives the weights") {
  const Conversion there, back;
  const auto artifact = there.run(wide_model(), {{"group_size", "32"}});
  REQUIRE(artifact);
  const auto read = read_model(there.out.path());
  REQUIRE(read);
  const Recipe recipe{
      .steps = {{"convert", Operation::convert, {{"to", "gguf"}, {"type", "f32"}}}}};
  const auto gguf = convert::ConvertBackend().build(*read, recipe, 0, {.dir = back.out.path()});
  REQUIRE_MESSAGE(gguf, gguf.error().message);
  const auto file = GgufFile::open(back.out.path() / gguf->entry);
  REQUIRE(file);
  CHECK(file->tensors().size() == 11);
  for (const GgufTensor& tensor : file->tensors()) {
    CHECK(std::string(tensor.type->name) == "f32");
    for (std::size_t at = 0; at < tensor.data.size(); at += sizeof(float))
      CHECK(tensor.data.substr(at, sizeof(float)) == test::raw(1.0f));  // every weight of the model
  }
}

TEST_CASE("parameters outside their range are refused by name, and nothing is written") {
  check_refused({{"bits", "7"}}, "bits");
  check_refused({{"bits", "4.5"}}, "bits");
  check_refused({{"bits", ""}}, "bits");
  check_refused({{"group_size", "16"}}, "group_size");
  check_refused({{"sensitive_bits", "7"}}, "sensitive_bits");
  check_refused({{"bits", "6"}, {"sensitive_bits", "4"}}, "sensitive_bits");
  check_refused({{"type", "f64"}}, "type");
  check_refused({{"bit", "4"}}, "a parameter");
  check_refused({{"to", "mxl"}}, "to");
  for (const char* modules :
       {"x", "=4/32", "*.v_proj=4", "*.v_proj=/32", "*.v_proj=4/x", "no=4/32", "*.v_proj=4/64"}) {
    CAPTURE(modules);
    check_refused({{"group_size", "32"}, {"modules", modules}}, "modules");
  }
}

TEST_CASE("a group that fits no matrix, and weights that are no numbers, are refused") {
  check_refused({{"group_size", "64"}}, "group_size", TinyModel());
  auto model = wide_model();
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    model.odd_value = {"model.layers.0.mlp.up_proj.weight", value};
    check_refused({{"group_size", "32"}}, "model.layers.0.mlp.up_proj.weight", model);
  }
  model.odd_value = {"model.layers.0.mlp.up_proj.weight", 1e6f};  // no f16
  check_refused({{"group_size", "32"}, {"type", "f16"}}, "model.layers.0.mlp.up_proj.weight",
                model);
}
