#include "formats/huggingface.h"

#include <doctest/doctest.h>

#include "formats/model_file.h"
#include "support/tiny_model.h"

using namespace strop;
using namespace strop::formats;
using test::TemporaryFolder;
using test::TinyModel;

namespace {

Result<HuggingFaceConfig> config_of(const TinyModel& model) {
  const TemporaryFolder folder;
  model.write_to(folder);
  return read_config(folder.path());
}

Result<HuggingFaceTokenizer> tokenizer_of(const TinyModel& model) {
  const TemporaryFolder folder;
  model.write_to(folder);
  return read_tokenizer(folder.path());
}

void check_refused(const Result<HuggingFaceTokenizer>& tokenizer, ErrorCode code) {
  REQUIRE_FALSE(tokenizer);
  CHECK(tokenizer.error().code == code);
  CHECK(!tokenizer.error().field.empty());
}

const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

nlohmann::json split_then_bytes(const std::string& pattern) {
  return {{"type", "Sequence"},
          {"pretokenizers",
           {{{"type", "Split"},
             {"pattern", {{"Regex", pattern}}},
             {"behavior", "Isolated"},
             {"invert", false}},
            {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
}

}  // namespace

TEST_CASE("config: heads, widths and the words for precision") {
  const auto config = config_of({});
  REQUIRE(config);
  CHECK(config->architecture == "LlamaForCausalLM");
  CHECK(config->head_width == 4);
  CHECK(config->kv_heads == 1);
  CHECK(config->precision == "f32");
  CHECK(config->rope_base == 10000);
  CHECK_FALSE(config->rope_scaling);
}

TEST_CASE("config: rotary scaling under its older and its newer name") {
  TinyModel model;
  model.config["rope_scaling"] = {{"type", "linear"}, {"factor", 2.0}};
  auto config = config_of(model);
  REQUIRE(config);
  REQUIRE(config->rope_scaling);
  CHECK(config->rope_scaling->kind == "linear");
  CHECK(config->rope_scaling->factor == 2);

  model = {};
  model.config.erase("rope_theta");
  model.config["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 500000.0}};
  config = config_of(model);
  REQUIRE(config);
  CHECK(config->rope_base == 500000);
  CHECK_FALSE(config->rope_scaling);
}

TEST_CASE("config: numbers out of range, of the wrong kind, and heads that do not divide") {
  for (const auto& [field, value] :
       std::vector<std::pair<const char*, nlohmann::json>>{{"vocab_size", -1},
                                                           {"vocab_size", 1u << 30},
                                                           {"num_hidden_layers", 100000},
                                                           {"hidden_size", "8"},
                                                           {"hidden_size", 0},
                                                           {"num_key_value_heads", 3},
                                                           {"rms_norm_eps", 0},
                                                           {"rope_theta", -1},
                                                           {"architectures", "Llama"}}) {
    CAPTURE(field);
    TinyModel model;
    model.config[field] = value;
    const auto config = config_of(model);
    REQUIRE_FALSE(config);
    CHECK(config.error().code == ErrorCode::invalid_input);
    CHECK(config.error().field == field);
  }
}

TEST_CASE("tokenizer: both forms of merges, the ids of special tokens") {
  TinyModel model;
  auto tokenizer = tokenizer_of(model);
  REQUIRE(tokenizer);
  CHECK(tokenizer->tokens == std::vector<std::string>{"<s>", "a", "b", "ab"});
  CHECK(tokenizer->merges == std::vector<std::string>{"a b"});
  CHECK(tokenizer->pre_tokenizer == "gpt-2");
  CHECK(tokenizer->bos == 0u);
  CHECK_FALSE(tokenizer->eos);
  CHECK_FALSE(tokenizer->add_bos);

  model.tokenizer["model"]["merges"] = nlohmann::json::array({nlohmann::json::array({"a", "b"})});
  tokenizer = tokenizer_of(model);
  REQUIRE(tokenizer);
  CHECK(tokenizer->merges == std::vector<std::string>{"a b"});
}

TEST_CASE("tokenizer: pre-tokenizers are known by what they do") {
  TinyModel model;
  model.tokenizer["pre_tokenizer"] = split_then_bytes(kLlama3);
  CHECK(tokenizer_of(model)->pre_tokenizer == "smaug-bpe");
  model.tokenizer["model"]["ignore_merges"] = true;
  CHECK(tokenizer_of(model)->pre_tokenizer == "llama-bpe");

  model.tokenizer["pre_tokenizer"] = split_then_bytes(R"(\s+)");
  check_refused(tokenizer_of(model), ErrorCode::unsupported);
  model.tokenizer["pre_tokenizer"] = nullptr;
  check_refused(tokenizer_of(model), ErrorCode::unsupported);
  model = {};
  model.tokenizer["normalizer"] = {{"type", "Lowercase"}};
  check_refused(tokenizer_of(model), ErrorCode::unsupported);
}

TEST_CASE("tokenizer: what is put around a text") {
  TinyModel model;
  model.tokenizer["post_processor"] = {{"type", "TemplateProcessing"},
                                       {"single",
                                        {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
                                         {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}}};
  auto tokenizer = tokenizer_of(model);
  REQUIRE(tokenizer);
  CHECK(tokenizer->add_bos);
  CHECK_FALSE(tokenizer->add_eos);

  model.tokenizer_config["bos_token"] = "a";  // the template adds another one
  check_refused(tokenizer_of(model), ErrorCode::unsupported);
  model.tokenizer["post_processor"] = {{"type", "Unheard"}};
  check_refused(tokenizer_of(model), ErrorCode::unsupported);
}

TEST_CASE("tokenizer: other kinds, ids twice or out of range, words that are none") {
  TinyModel model;
  model.tokenizer["model"]["type"] = "Unigram";
  check_refused(tokenizer_of(model), ErrorCode::unsupported);
  model = {};
  model.tokenizer["model"]["byte_fallback"] = true;
  check_refused(tokenizer_of(model), ErrorCode::unsupported);
  model = {};
  model.tokenizer["model"]["vocab"]["a"] = 2;
  check_refused(tokenizer_of(model), ErrorCode::invalid_input);
  model.tokenizer["model"]["vocab"]["a"] = -1;
  check_refused(tokenizer_of(model), ErrorCode::invalid_input);
  model.tokenizer["model"]["vocab"]["a"] = 4'000'000'000u;
  check_refused(tokenizer_of(model), ErrorCode::invalid_input);
  model = {};
  for (const nlohmann::json& merge : {nlohmann::json("ab"), nlohmann::json("a b c"),
                                      nlohmann::json({"a b", "c"}), nlohmann::json(1)}) {
    model.tokenizer["model"]["merges"] = nlohmann::json::array({merge});
    check_refused(tokenizer_of(model), ErrorCode::invalid_input);
  }
}

TEST_CASE("a folder is described by its metadata") {
  TinyModel tiny;
  const TemporaryFolder folder;
  tiny.write_to(folder);
  folder.write("README.md",
               "---\nlicense: apache-2.0\nbase_model: maker/original\n---\nA model.\n");
  const auto model = read_model(folder.path());
  REQUIRE(model);
  CHECK(model->format == "huggingface");
  CHECK(model->kind == ModelKind::llm);
  CHECK(model->architecture == "llama");
  CHECK(model->parameter_count == 632);
  CHECK(model->weight_bytes == 4 * 632);
  CHECK(model->precision == "f32");
  CHECK(model->context_length == 64u);
  CHECK(model->vocabulary_size == 4u);
  CHECK(model->license == "apache-2.0");
  CHECK(model->provenance == "maker/original");
  CHECK(model->source_grid.empty());
}

TEST_CASE("a folder of a model that is no decoder of text is described too") {
  TinyModel tiny;
  tiny.config = {
      {"architectures", {"ViTForImageClassification"}}, {"model_type", "vit"}, {"hidden_size", 8}};
  const TemporaryFolder folder;
  tiny.write_to(folder);
  const auto model = read_model(folder.path());
  REQUIRE(model);
  CHECK(model->kind == ModelKind::vision);
  CHECK_FALSE(model->vocabulary_size);
}
