// Hugging Face folders as ONNX: what an artifact holds, what is refused. That its logits are right,
// ONNX Runtime says.
#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "backend.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "formats/gguf.h"
#include "formats/model_file.h"
#include "support/tiny_model.h"

namespace fs = std::filesystem;

namespace {

using namespace strop;
using test::TemporaryFolder;
using test::TinyModel;
using Params = std::map<std::string, std::string>;

// Heads of 16, the least that ONNX Runtime's attention takes.
TinyModel wide_model(bool tied = true) {
  TinyModel model;
  model.config["hidden_size"] = 32;
  model.config["intermediate_size"] = 64;
  model.config["tie_word_embeddings"] = tied;
  model.tensors = {{"model.embed_tokens.weight", {4, 32}},
                   {"model.layers.0.input_layernorm.weight", {32}},
                   {"model.layers.0.mlp.down_proj.weight", {32, 64}},
                   {"model.layers.0.mlp.gate_proj.weight", {64, 32}},
                   {"model.layers.0.mlp.up_proj.weight", {64, 32}},
                   {"model.layers.0.post_attention_layernorm.weight", {32}},
                   {"model.layers.0.self_attn.k_proj.weight", {16, 32}},
                   {"model.layers.0.self_attn.o_proj.weight", {32, 32}},
                   {"model.layers.0.self_attn.q_proj.weight", {32, 32}},
                   {"model.layers.0.self_attn.v_proj.weight", {16, 32}},
                   {"model.norm.weight", {32}}};
  if (!tied) model.tensors.push_back({"lm_head.weight", {4, 32}});
  return model;
}

struct Conversion {
  TemporaryFolder in, out;

  Result<Artifact> run(const TinyModel& model, Params params, std::stop_token stop = {}) const {
    model.write_to(in);
    return again(std::move(params), std::move(stop));
  }
  // Of the folder that is there already.
  Result<Artifact> again(Params params, std::stop_token stop = {}) const {
    STROP_TRY(const Model read, read_model(in.path()));
    params["to"] = "onnx";
    const Recipe recipe{
        .steps = {{.worker = "convert", .op = Operation::convert, .params = std::move(params)}}};
    return convert::ConvertBackend().build(read, recipe, 0,
                                           {.dir = out.path(), .stop = std::move(stop)});
  }
  std::string digest(const std::string& name) const {
    const auto text = read_text(out.path() / name);
    REQUIRE(text);
    return sha256_hex(*text);
  }
};

void check_refused(const TinyModel& model, const Params& params, ErrorCode code,
                   const std::string& field) {
  const Conversion conversion;
  const auto artifact = conversion.run(model, params);
  REQUIRE_FALSE(artifact);
  CAPTURE(artifact.error().message);
  CHECK(artifact.error().code == code);
  CHECK(artifact.error().field == field);
  CHECK(fs::is_empty(conversion.out.path()));
}

constexpr std::uint64_t kMatrices = 64 * 32 + 32 * 32 + 3 * 64 * 32, kEmbedding = 4 * 32;
constexpr std::uint64_t kRotary = 2 * 64 * 8, kNorms = 3 * 32;  // 64 positions, 8 pairs

}  // namespace

TEST_CASE("an artifact holds the model, its vocabulary and its tokenizer, and nothing else") {
  const Conversion conversion;
  const auto artifact = conversion.run(wide_model(), {{"type", "f32"}});
  REQUIRE(artifact);
  CHECK(artifact->format == "onnx");
  CHECK(artifact->entry == "model.onnx");
  std::size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(conversion.out.path()))
    files += entry.is_regular_file();
  CHECK(files == artifact->files.size());
  for (const ArtifactFile& file : artifact->files)
    CHECK(fs::is_regular_file(conversion.out.path() / file.path));
  CHECK(fs::exists(conversion.out.path() / "tokenizer.json"));
  const auto vocabulary = formats::GgufFile::open(conversion.out.path() / "vocab.gguf");
  REQUIRE(vocabulary);
  CHECK(vocabulary->array("tokenizer.ggml.tokens")->count == 4);
  const auto text = read_text(conversion.out.path() / "genai_config.json");
  REQUIRE(text);
  const Json config = Json::parse(*text);
  CHECK(config["model"]["context_length"] == 64);
  CHECK(config["model"]["decoder"]["head_size"] == 16);
}

TEST_CASE("every weight is there once, in the wanted type, the embedding of a tied model too") {
  struct Expected {
    Params params;
    std::uint64_t bits, block;  // block 0: none
    bool zero_points;
  };
  for (const Expected& expected :
       {Expected{{{"type", "f32"}}, 32, 0, false}, Expected{{{"type", "f16"}}, 16, 0, false},
        Expected{{{"type", "int8"}}, 8, 32, false}, Expected{{{"type", "int4"}}, 4, 32, false},
        Expected{{{"type", "int8"}, {"block_size", "16"}, {"symmetric", "false"}}, 8, 16, true}}) {
    for (const bool tied : {true, false}) {
      CAPTURE(expected.bits);
      CAPTURE(tied);
      const Conversion conversion;
      REQUIRE(conversion.run(wide_model(tied), expected.params));
      const auto model = read_model(conversion.out.path() / "model.onnx");
      REQUIRE(model);
      const std::uint64_t weights = kMatrices + (tied ? 1 : 2) * kEmbedding;
      std::uint64_t bytes = weights * expected.bits / 8 + (kRotary + kNorms) * 4;
      if (expected.block) bytes += weights / expected.block * (expected.zero_points ? 5 : 4);
      CHECK(model->weight_bytes == bytes + 4 * 8);  // four numbers that the graph computes with
    }
  }
}

TEST_CASE("a conversion twice gives the same bytes") {
  const Conversion conversion;
  std::vector<std::string> digests;
  for (int round = 0; round < 2; ++round) {
    const auto artifact = round == 0 ? conversion.run(wide_model(), {{"type", "int4"}})
                                     : conversion.again({{"type", "int4"}});
    REQUIRE(artifact);
    for (const ArtifactFile& file : artifact->files)
      digests.push_back(conversion.digest(file.path));
    for (const ArtifactFile& file : artifact->files) fs::remove(conversion.out.path() / file.path);
  }
  REQUIRE(digests.size() >= 8);
  CHECK(std::equal(digests.begin(), digests.begin() + std::ssize(digests) / 2,
                   digests.begin() + std::ssize(digests) / 2, digests.end()));
}

TEST_CASE("a cancelled conversion leaves no file") {
  std::stop_source stop;
  stop.request_stop();
  for (const char* type : {"f32", "int4"}) {
    const Conversion conversion;
    const auto artifact = conversion.run(wide_model(), {{"type", type}}, stop.get_token());
    REQUIRE_FALSE(artifact);
    CHECK(artifact.error().code == ErrorCode::cancelled);
    CHECK(fs::is_empty(conversion.out.path()));
  }
}

TEST_CASE("parameters and shapes that cannot be kept to are refused by name") {
  const auto invalid = ErrorCode::invalid_input, unsupported = ErrorCode::unsupported;
  check_refused(wide_model(), {{"type", "int3"}}, invalid, "type");
  check_refused(wide_model(), {{"type", "bf16"}}, invalid, "type");
  check_refused(wide_model(), {{"type", "f32"}, {"block_size", "32"}}, invalid, "block_size");
  for (const char* size : {"0", "8", "24", "512", "-32", "32x", ""})
    check_refused(wide_model(), {{"type", "int4"}, {"block_size", size}}, invalid, "block_size");
  check_refused(wide_model(), {{"type", "int4"}, {"symmetric", "yes"}}, invalid, "symmetric");
  check_refused(wide_model(), {{"type", "int4"}, {"accuracy_level", "9"}}, invalid,
                "accuracy_level");
  check_refused(wide_model(), {{"type", "int4"}, {"embedding", "f32"}}, invalid, "embedding");
  check_refused(wide_model(), {{"type", "int4"}, {"block_size", "64"}}, unsupported, "hidden_size");
  check_refused(TinyModel{}, {{"type", "f32"}}, unsupported, "head_dim");
}

TEST_CASE("weights that are no numbers, or leave the type's range, are refused by name") {
  const std::string name = "model.layers.0.mlp.up_proj.weight";
  for (const char* type : {"f32", "f16", "int8", "int4"}) {
    for (const float value :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      TinyModel model = wide_model();
      model.odd_value = {name, value};
      check_refused(model, {{"type", type}}, ErrorCode::corrupt, name);
    }
  }
  TinyModel model = wide_model();
  model.odd_value = {name, 1e6f};
  check_refused(model, {{"type", "f16"}}, ErrorCode::corrupt, name);
  CHECK(Conversion().run(model, {{"type", "f32"}}));
}

TEST_CASE("an encoder that is no plain BERT, or is wanted in blocks, is refused") {
  TinyModel model = wide_model();
  model.config["architectures"] = {"BertModel"};
  check_refused(model, {{"type", "int8"}}, ErrorCode::unsupported, "type");
  check_refused(model, {{"type", "f32"}}, ErrorCode::unsupported, "hidden_act");
  model.config["hidden_act"] = "gelu";
  check_refused(model, {{"type", "f32"}}, ErrorCode::invalid_input,
                "embeddings.word_embeddings.weight");
}
