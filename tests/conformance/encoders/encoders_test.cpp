// all-MiniLM in every framework that serves it. llama.cpp brings a BERT of its own, the others
// compute the graph that we write: where they agree, the conversion is right.
#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <map>

#include "core/proxy.h"
#include "formats/gguf.h"
#include "formats/model_file.h"
#include "formats/safetensors.h"
#include "measure/likeness.h"
#include "support/built.h"

namespace fs = std::filesystem;
using namespace strop;
using namespace strop::test;

namespace {

const fs::path kScratch = STROP_SCRATCH;

Model minilm() {
  if (!fs::exists(fs::path(STROP_MINILM) / "model.safetensors")) {
    std::cout << "skipped: all-MiniLM is missing (tools/setup fetches it)" << std::endl;
    std::exit(77);
  }
  return taken(read_model(STROP_MINILM));
}

Artifact made(const std::string& framework, const std::string& name) {
  const Model model = minilm();
  return test::made(model, recipe_named(framework, model, name),
                    kScratch / str(framework, "-", name));
}

std::unique_ptr<WorkerSession> opened(const std::string& framework, const Artifact& artifact,
                                      const RunOptions& options = {}) {
  return taken(WorkerBackend(program(framework), {})
                   .open(artifact, options, {.dir = fresh(kScratch / "session")}));
}

Tensor integers(const std::string& name, std::vector<std::int64_t> shape,
                const std::vector<std::int64_t>& values) {
  Tensor tensor{.name = name, .type = ElementType::i64, .shape = std::move(shape), .data = {}};
  tensor.data.resize(values.size() * sizeof(std::int64_t));
  std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
  return tensor;
}

// Texts of made-up words between the tokenizer's two marks, one of each length, padded to the
// longest.
std::vector<Tensor> texts(const std::vector<std::size_t>& lengths) {
  constexpr std::int64_t kBefore = 101, kAfter = 102;
  const std::size_t longest = *std::max_element(lengths.begin(), lengths.end());
  std::vector<std::int64_t> ids, mask, types(lengths.size() * longest);
  for (std::size_t text = 0; text < lengths.size(); ++text) {
    for (std::size_t i = 0; i < longest; ++i) {
      const auto word = static_cast<std::int64_t>(1996 + (text * 7919 + i * 104729) % 20000);
      const bool kept = i < lengths[text];
      mask.push_back(kept ? 1 : 0);
      ids.push_back(!kept ? 0 : i == 0 ? kBefore : i + 1 == lengths[text] ? kAfter : word);
    }
  }
  const std::vector<std::int64_t> shape{static_cast<std::int64_t>(lengths.size()),
                                        static_cast<std::int64_t>(longest)};
  return {integers("input_ids", shape, ids), integers("attention_mask", shape, mask),
          integers("token_type_ids", shape, types)};
}

std::map<std::string, Tensor> answers(WorkerSession& worker, const std::vector<Tensor>& inputs) {
  std::map<std::string, Tensor> all;
  for (Tensor& tensor : taken(worker.session().tensors()->infer(inputs)).outputs)
    all.emplace(tensor.name, std::move(tensor));
  return all;
}

std::vector<double> numbers(const Tensor& tensor) { return taken(measure::numbers_of(tensor)); }

const std::vector<std::vector<std::size_t>> kBatches{{3}, {64}, {509}, {17, 17, 17, 17}};

// Greatest share of noise over all batches and outputs.
double distance(WorkerSession& original, WorkerSession& other) {
  double worst = 0;
  for (const auto& lengths : kBatches) {
    const auto inputs = texts(lengths);
    const auto wanted = answers(original, inputs), given = answers(other, inputs);
    for (const auto& [name, tensor] : wanted) {
      REQUIRE_MESSAGE(given.contains(name), name);
      CHECK(given.at(name).shape == tensor.shape);
      worst = std::max(worst, measure::noise_ratio(numbers(tensor), numbers(given.at(name))));
    }
  }
  return worst;
}

Error refused(WorkerSession& worker, const std::vector<Tensor>& inputs) {
  auto result = worker.session().tensors()->infer(inputs);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::invalid_input);
  return result.error();
}

}  // namespace

TEST_CASE("a GGUF of an encoder holds the folder's tensors, byte for byte") {
  const Artifact artifact = made("llama_cpp", "f32");
  const auto file = taken(formats::GgufFile::open(fs::path(artifact.folder) / artifact.entry));
  const auto source = taken(formats::read_safetensors_folder(STROP_MINILM));
  std::size_t found = 0;
  for (const auto& [from, to] : std::map<std::string, std::string>{
           {"embeddings.word_embeddings.weight", "token_embd.weight"},
           {"embeddings.position_embeddings.weight", "position_embd.weight"},
           {"embeddings.token_type_embeddings.weight", "token_types.weight"},
           {"embeddings.LayerNorm.bias", "token_embd_norm.bias"},
           {"encoder.layer.5.attention.self.query.weight", "blk.5.attn_q.weight"},
           {"encoder.layer.0.attention.self.key.bias", "blk.0.attn_k.bias"},
           {"encoder.layer.2.attention.output.LayerNorm.weight", "blk.2.attn_output_norm.weight"},
           {"encoder.layer.3.intermediate.dense.weight", "blk.3.ffn_up.weight"},
           {"encoder.layer.4.output.dense.weight", "blk.4.ffn_down.weight"}}) {
    const auto* tensor = file.tensor(to);
    const auto* original = source.find(from);
    REQUIRE_MESSAGE(tensor != nullptr, to);
    REQUIRE_MESSAGE(original != nullptr, from);
    CHECK_MESSAGE(tensor->data == original->data, to);
    ++found;
  }
  CHECK(found == 9);
  // All but the pooler and a table of numbers.
  CHECK(file.tensors().size() == 5 + 6 * 16);
}

TEST_CASE("every framework answers as the original, within its precision") {
  struct Case {
    std::string framework;
    std::string recipe;
    RunOptions options;
    double most;  // share of noise, two to three times what was measured
  };
  const Artifact original = made("onnxruntime", "f32");
  const auto reference = opened("onnxruntime", original);
  std::vector<Case> cases{
      {"llama_cpp", "f32", {{"flash_attention", "off"}}, 3e-5},
      {"llama_cpp", "f32", {}, 3e-5},
      {"llama_cpp", "f16", {}, 3e-5},
      {"llama_cpp", "q8_0", {}, 3e-3},
      {"llama_cpp", "q4_0", {}, 0.4},
  };
  if (fs::exists(program("openvino")))
    cases.push_back({"openvino", "f32", {{"precision_hint", "f32"}}, 1e-11});
  for (const Case& one : cases) {
    CAPTURE(one.framework);
    CAPTURE(one.recipe);
    const auto session = opened(one.framework, made(one.framework, one.recipe), one.options);
    const double noise = distance(*reference, *session);
    MESSAGE(one.framework << " " << one.recipe << ": noise " << noise);
    CHECK(noise <= one.most);
  }
}

TEST_CASE("llama.cpp's encoder leaves padding out, and says what it cannot take") {
  const Artifact artifact = made("llama_cpp", "f32");
  const auto session = opened("llama_cpp", artifact);
  CHECK(session->session().info().context_length == 512);
  CHECK_FALSE(session->session().info().run_options.contains("kv_cache_type"));
  // A text's vector is the same alone and beside a longer one.
  const auto together = answers(*session, texts({9, 40}));
  const auto alone = answers(*session, texts({9}));
  const auto both = numbers(together.at("sentence_embedding")),
             one = numbers(alone.at("sentence_embedding"));
  REQUIRE(both.size() == 2 * one.size());
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(std::abs(both[i] - one[i]) < 1e-4);
  const auto hidden = numbers(together.at("last_hidden_state"));
  for (std::size_t i = 9 * 384; i < 40 * 384; ++i) REQUIRE(hidden[i] == 0);

  auto inputs = texts({4});
  inputs[2] = integers("token_type_ids", {1, 4}, {0, 0, 1, 1});
  CHECK(refused(*session, inputs).field == "token_type_ids");
  inputs = texts({4});
  inputs[1] = integers("attention_mask", {1, 4}, {1, 0, 1, 1});
  CHECK(refused(*session, inputs).field == "attention_mask");
  inputs[1] = integers("attention_mask", {1, 4}, {1, 2, 1, 1});
  CHECK(refused(*session, inputs).field == "attention_mask");
  inputs[1] = integers("attention_mask", {2, 2}, {1, 1, 1, 1});
  CHECK(refused(*session, inputs).field == "attention_mask");
  inputs = texts({4});
  inputs[0] = integers("input_ids", {1, 4}, {101, -1, 5, 102});
  CHECK(refused(*session, inputs).value == "-1");
  inputs[0] = integers("input_ids", {1, 4}, {101, 30522, 5, 102});
  CHECK(refused(*session, inputs).field == "input_ids");
  CHECK(refused(*session, texts({513})).field == "input_ids");
  inputs = {integers("input_ids", {0, 4}, {}), integers("attention_mask", {0, 4}, {}),
            integers("token_type_ids", {0, 4}, {})};
  CHECK(refused(*session, inputs).field == "input_ids");
  // Still fit for work.
  CHECK(answers(*session, texts({9})).contains("last_hidden_state"));

  auto cached =
      WorkerBackend(program("llama_cpp"), {})
          .open(artifact, {{"kv_cache_type", "f16"}}, {.dir = fresh(kScratch / "session")});
  REQUIRE_FALSE(cached);
  CHECK(cached.error().field == "kv_cache_type");
}
