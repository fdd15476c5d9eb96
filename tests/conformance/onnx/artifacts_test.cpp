// Makes what runtime.py compares: the demo model as ONNX in every type, and what llama.cpp's F32
// says of the same token ids: rows of logits, and greedy continuations of prompts with the gap
// between the two best logits at each step.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>

#include "core/files.h"
#include "core/json.h"
#include "core/proxy.h"
#include "formats/model_file.h"
#include "support/bytes.h"

namespace fs = std::filesystem;
using namespace strop;

namespace {

const fs::path kOut = STROP_ARTIFACTS;
constexpr std::size_t kPositions = 96;
constexpr std::uint32_t kNewTokens = 32;
constexpr const char* kPrompts[]{
    "The capital of France is", "def fibonacci(n):", "Once upon a time, there was a",
    "The three laws of thermodynamics are", "Q: Why is the sky blue?\nA:"};

template <class T>
T taken(Result<T> result) {
  REQUIRE_MESSAGE(result, result.error().message);
  return *std::move(result);
}

fs::path worker(const std::string& name) {
  return fs::path(STROP_WORKERS_FOLDER) / ("strop-worker-" + name);
}

Artifact made(const std::string& name, std::map<std::string, std::string> params,
              const fs::path& original = STROP_DEMO_MODEL) {
  const fs::path folder = kOut / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  const Model model = taken(read_model(original));
  const Recipe recipe{.name = name, .steps = {{"convert", Operation::convert, std::move(params)}}};
  Artifact artifact =
      taken(WorkerBackend(worker("convert"), {}).build(model, recipe, 0, {.dir = folder}));
  artifact.folder = folder.string();
  return artifact;
}

std::vector<TokenId> ids_of(const std::string& text) {
  const auto tokenizer =
      taken(open_tokenizer(worker("text"), kOut / "gguf_f32" / "vocab.gguf", {}));
  return taken(tokenizer->encode(text, false, false));
}

std::vector<std::vector<float>> rows_of(DecoderSession& session, const std::vector<TokenId>& ids) {
  std::vector<std::uint32_t> wanted(ids.size());
  for (std::uint32_t i = 0; i < wanted.size(); ++i) wanted[i] = i;
  std::vector<std::vector<float>> rows;
  REQUIRE(session.truncate(0, 0));
  const auto done =
      session.evaluate(0, ids, wanted, each_row([&](std::size_t, std::span<const float> row) {
                         rows.emplace_back(row.begin(), row.end());
                       }));
  REQUIRE_MESSAGE(done, done.error().message);
  return rows;
}

float gap_of(std::vector<float> row) {
  std::nth_element(row.begin(), row.begin() + 1, row.end(), std::greater<>());
  return row[0] - row[1];
}

Json continuation(DecoderSession& session, const std::vector<TokenId>& prompt) {
  REQUIRE(session.truncate(0, 0));
  const Generation made = taken(session.generate(0, prompt, kNewTokens, {}));
  REQUIRE(made.ids.size() == kNewTokens);
  std::vector<TokenId> all = prompt;
  all.insert(all.end(), made.ids.begin(), made.ids.end());
  const auto rows = rows_of(session, all);
  Json gaps = Json::array();
  for (std::size_t i = 0; i < kNewTokens; ++i) gaps.push_back(gap_of(rows[prompt.size() - 1 + i]));
  return {{"prompt", prompt}, {"continuation", made.ids}, {"gaps", gaps}};
}

// A BERT of two layers with drawn weights, mean pooling and normalisation.
struct TinyEncoder {
  static constexpr std::uint64_t kWidth = 32, kInner = 64, kWords = 50, kLength = 40;
  Json header = Json::object();
  std::string data;
  std::mt19937 generator{5};

  void tensor(const std::string& name, const std::vector<std::uint64_t>& shape) {
    std::normal_distribution<float> normal(name.ends_with("LayerNorm.weight") ? 1.0f : 0.0f, 0.2f);
    const std::size_t begin = data.size();
    std::uint64_t count = 1;
    for (const std::uint64_t dimension : shape) count *= dimension;
    for (std::uint64_t i = 0; i < count; ++i) data += test::raw(normal(generator));
    header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {begin, data.size()}}};
  }
  void linear(const std::string& name, std::uint64_t from, std::uint64_t to) {
    tensor(name + ".weight", {to, from});
    tensor(name + ".bias", {to});
  }
  void norm(const std::string& name) {
    tensor(name + ".weight", {kWidth});
    tensor(name + ".bias", {kWidth});
  }

  void write_to(const fs::path& folder) {
    tensor("embeddings.word_embeddings.weight", {kWords, kWidth});
    tensor("embeddings.position_embeddings.weight", {kLength, kWidth});
    tensor("embeddings.token_type_embeddings.weight", {2, kWidth});
    norm("embeddings.LayerNorm");
    for (int layer = 0; layer < 2; ++layer) {
      const std::string name = str("encoder.layer.", layer, ".");
      for (const char* side : {"query", "key", "value"})
        linear(str(name, "attention.self.", side), kWidth, kWidth);
      linear(name + "attention.output.dense", kWidth, kWidth);
      norm(name + "attention.output.LayerNorm");
      linear(name + "intermediate.dense", kWidth, kInner);
      linear(name + "output.dense", kInner, kWidth);
      norm(name + "output.LayerNorm");
    }
    linear("pooler.dense", kWidth, kWidth);
    fs::create_directories(folder / "1_Pooling");
    const Json config = {{"architectures", {"BertModel"}},
                         {"model_type", "bert"},
                         {"vocab_size", kWords},
                         {"hidden_size", kWidth},
                         {"num_hidden_layers", 2},
                         {"num_attention_heads", 4},
                         {"intermediate_size", kInner},
                         {"hidden_act", "gelu"},
                         {"max_position_embeddings", kLength},
                         {"layer_norm_eps", 1e-12}};
    const Json modules = {
        {{"path", ""}, {"type", "sentence_transformers.models.Transformer"}},
        {{"path", "1_Pooling"}, {"type", "sentence_transformers.models.Pooling"}},
        {{"path", "2_Normalize"}, {"type", "sentence_transformers.models.Normalize"}}};
    REQUIRE(write_whole(folder / "config.json", config.dump()));
    REQUIRE(write_whole(folder / "modules.json", modules.dump()));
    REQUIRE(write_whole(folder / "1_Pooling" / "config.json",
                        Json{{"pooling_mode_mean_tokens", true}}.dump()));
    REQUIRE(write_whole(folder / "model.safetensors", test::safetensors(header.dump(), data)));
  }
};

}  // namespace

TEST_CASE("an encoder is made, beside its original") {
  const fs::path original = kOut / "encoder_original";
  fs::remove_all(original);
  fs::create_directories(original);
  TinyEncoder().write_to(original);
  const Artifact artifact = made("encoder", {{"to", "onnx"}, {"type", "f32"}}, original);
  CHECK(artifact.format == "onnx");
  CHECK(artifact.notes.empty());
}

TEST_CASE("the demo model is made in every type, beside its reference") {
  if (!fs::exists(STROP_DEMO_MODEL)) {
    std::cout << "skipped: the demo model is missing (tools/demo-model makes it)" << std::endl;
    std::exit(77);
  }
  const Artifact reference = made("gguf_f32", {{"to", "gguf"}, {"type", "f32"}});
  made("f32", {{"to", "onnx"}, {"type", "f32"}});
  made("f16", {{"to", "onnx"}, {"type", "f16"}});
  made("int8", {{"to", "onnx"}, {"type", "int8"}});
  made("int8_asymmetric_64",
       {{"to", "onnx"}, {"type", "int8"}, {"symmetric", "false"}, {"block_size", "64"}});
  made("int4", {{"to", "onnx"}, {"type", "int4"}});
  made("int4_asymmetric_8",
       {{"to", "onnx"}, {"type", "int4"}, {"symmetric", "false"}, {"embedding", "int8"}});

  fs::create_directories(kOut / "scratch");
  const auto opened =
      taken(WorkerBackend(worker("llama_cpp"), {})
                .open(reference,
                      {{"kv_cache_type", "f32"}, {"flash_attention", "off"}, {"context", "512"}},
                      {.dir = kOut / "scratch"}));
  DecoderSession& session = *opened->session().decoder();
  const std::string text =
      taken(read_text(fs::path(STROP_SOURCE_DIR) / "share/text/evaluation/story-en.txt"));
  std::vector<TokenId> ids = ids_of(text.substr(0, 4000));
  REQUIRE(ids.size() >= kPositions);
  ids.resize(kPositions);
  std::ofstream logits(kOut / "logits.f32", std::ios::binary);
  for (const auto& row : rows_of(session, ids))
    logits.write(reinterpret_cast<const char*>(row.data()),
                 static_cast<std::streamsize>(row.size() * sizeof(float)));
  REQUIRE(logits.flush());
  Json prompts = Json::array();
  for (const char* prompt : kPrompts) prompts.push_back(continuation(session, ids_of(prompt)));
  REQUIRE(write_whole(kOut / "reference.json", Json{{"ids", ids}, {"prompts", prompts}}.dump()));
}
