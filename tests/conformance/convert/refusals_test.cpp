// Folders that the convert worker must refuse or treat with care, each made from a right one by one
// change.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "backend.h"
#include "formats/gguf.h"
#include "formats/model_file.h"
#include "support/tiny_model.h"

namespace {

using namespace strop;
using test::TemporaryFolder;
using test::TinyModel;

struct Conversion {
  TemporaryFolder in, out;

  Result<Artifact> run(const TinyModel& model, const std::string& type = "f16") const {
    model.write_to(in);
    STROP_TRY(const Model read, read_model(in.path()));
    const Recipe recipe{.steps = {{.worker = "convert",
                                   .op = Operation::convert,
                                   .params = {{"to", "gguf"}, {"type", type}}}}};
    return convert::ConvertBackend().build(read, recipe, 0, {.dir = out.path()});
  }
};

void check_refused(const TinyModel& model, ErrorCode code, const std::string& field,
                   const std::string& type = "f16") {
  const Conversion conversion;
  const auto artifact = conversion.run(model, type);
  REQUIRE_FALSE(artifact);
  CHECK(artifact.error().message != "");
  CHECK(artifact.error().code == code);
  CHECK(artifact.error().field == field);
  CHECK(std::filesystem::is_empty(conversion.out.path()));
}

const std::string kNorm = "model.norm.weight", kQuery = "model.layers.0.self_attn.q_proj.weight";

}  // namespace

TEST_CASE("the model that the others are made from is converted") {
  const Conversion conversion;
  const auto artifact = conversion.run({});
  REQUIRE(artifact);
  const auto file = formats::GgufFile::open(conversion.out.path() / artifact->entry);
  REQUIRE(file);
  CHECK(file->tensors().size() == 11);
}

TEST_CASE("weights that are no numbers are refused by the tensor's name") {
  for (const std::string& name : {kNorm, kQuery}) {
    for (float value :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
          -std::numeric_limits<float>::infinity()}) {
      for (const char* type : {"f32", "f16", "bf16"}) {
        TinyModel model;
        model.odd_value = {name, value};
        check_refused(model, ErrorCode::corrupt, name, type);
      }
    }
  }
}

TEST_CASE("weights beyond f16's range are refused as f16 and kept as bf16") {
  TinyModel model;
  model.odd_value = {kQuery, 1e6f};
  check_refused(model, ErrorCode::corrupt, kQuery);
  CHECK(Conversion().run(model, "bf16"));
}

TEST_CASE("a tokenizer larger than the embedding") {
  TinyModel model;
  model.tokenizer["model"]["vocab"]["c"] = 4;
  check_refused(model, ErrorCode::invalid_input, "vocab_size");
}

TEST_CASE("an embedding larger than the tokenizer is filled with unused tokens") {
  TinyModel model;
  model.config["vocab_size"] = 6;
  model.tensors[0].second = {6, 8};
  const Conversion conversion;
  const auto artifact = conversion.run(model);
  REQUIRE(artifact);
  const auto file = formats::GgufFile::open(conversion.out.path() / artifact->entry);
  REQUIRE(file);
  CHECK(file->array("tokenizer.ggml.tokens")->strings[5] == "[PAD5]");
  CHECK(file->array("tokenizer.ggml.token_type")->integer(5) == 5);
}

TEST_CASE("missing, misshapen and unknown tensors") {
  TinyModel model;
  model.tensors.pop_back();
  check_refused(model, ErrorCode::invalid_input, kNorm);
  model.tensors.push_back({kNorm, {4}});
  check_refused(model, ErrorCode::invalid_input, kNorm);
  model.tensors.back() = {kNorm, {8}};
  model.tensors.push_back({"model.layers.0.self_attn.q_proj.bias", {8}});
  check_refused(model, ErrorCode::unsupported, "model.layers.0.self_attn.q_proj.bias");
}

TEST_CASE("an architecture, an activation or an attention that would come out wrong") {
  const auto with = [](const char* field, const nlohmann::json& value) {
    TinyModel model;
    model.config[field] = value;
    return model;
  };
  check_refused(with("architectures", {"MambaForCausalLM"}), ErrorCode::unsupported,
                "architectures");
  check_refused(with("hidden_act", "gelu"), ErrorCode::unsupported, "hidden_act");
  check_refused(with("sliding_window", 16), ErrorCode::unsupported, "sliding_window");
  check_refused(with("attention_bias", true), ErrorCode::unsupported,
                "attention_bias and mlp_bias");
  check_refused(with("rope_scaling", {{"rope_type", "yarn"}, {"factor", 2.0}}),
                ErrorCode::unsupported, "rope_scaling.rope_type");
  check_refused(with("intermediate_size", nullptr), ErrorCode::unsupported, "intermediate_size");
}

TEST_CASE("rotary scaling is carried over") {
  TinyModel model;
  SUBCASE("linear, as metadata") {
    model.config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 4.0}};
    const Conversion conversion;
    const auto artifact = conversion.run(model);
    REQUIRE(artifact);
    const auto file = formats::GgufFile::open(conversion.out.path() / artifact->entry);
    REQUIRE(file);
    CHECK(file->text("llama.rope.scaling.type") == "linear");
    CHECK(file->real("llama.rope.scaling.factor") == 4.0);
  }
  SUBCASE("Llama 3's, as a tensor of factors") {
    model.config["rope_scaling"] = {{"rope_type", "llama3"},
                                    {"factor", 8.0},
                                    {"low_freq_factor", 1.0},
                                    {"high_freq_factor", 4.0},
                                    {"original_max_position_embeddings", 32}};
    const Conversion conversion;
    const auto artifact = conversion.run(model);
    REQUIRE(artifact);
    const auto file = formats::GgufFile::open(conversion.out.path() / artifact->entry);
    REQUIRE(file);
    const formats::GgufTensor* factors = file->tensor("rope_freqs.weight");
    REQUIRE(factors);
    REQUIRE(factors->shape == std::vector<std::uint64_t>{2});
    // Wave lengths 2 pi and 200 pi against bounds of 8 and 32 positions: the first stays, the
    // second is stretched.
    CHECK(factors->data == test::raw(1.0f) + test::raw(8.0f));
  }
}
