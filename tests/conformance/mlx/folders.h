// MLX folders made by the real worker, and their weights for the fp32 reference.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <random>
#include <vector>

#include "backend.h"
#include "core/proxy.h"
#include "formats/model_file.h"
#include "formats/safetensors_writer.h"
#include "support/tiny_model.h"

namespace strop::mlx::test {

using strop::test::TemporaryFolder;
using Rows = std::vector<std::vector<float>>;

[[noreturn]] inline void skip(const std::string& reason) {
  std::cout << "skipped: " << reason << std::endl;
  std::exit(77);
}

template <class T>
T taken(Result<T> result) {
  REQUIRE_MESSAGE(result, result.error().message);
  return *std::move(result);
}

inline const std::filesystem::path& scratch() {
  static const TemporaryFolder instance;
  return instance.path();
}

// A model of two layers with random weights, an output matrix of its own and Llama 3's long
// context. Every matrix has rows of whole groups of 128.
inline Model small_model() {
  static const std::filesystem::path folder = [] {
    constexpr std::uint64_t width = 128, kv = 64, inner = 256, vocabulary = 128;
    strop::test::TinyModel tiny;
    tiny.config["hidden_size"] = width;
    tiny.config["num_attention_heads"] = 4;
    tiny.config["num_key_value_heads"] = 2;
    tiny.config["num_hidden_layers"] = 2;
    tiny.config["intermediate_size"] = inner;
    tiny.config["vocab_size"] = vocabulary;
    tiny.config["max_position_embeddings"] = 512;
    tiny.config["tie_word_embeddings"] = false;
    tiny.config["rope_scaling"] = {{"rope_type", "llama3"},
                                   {"factor", 8.0},
                                   {"low_freq_factor", 1.0},
                                   {"high_freq_factor", 4.0},
                                   {"original_max_position_embeddings", 64}};
    tiny.tensors.clear();
    std::vector<formats::DeclaredTensor> tensors{
        {"model.embed_tokens.weight", "f32", {vocabulary, width}},
        {"lm_head.weight", "f32", {vocabulary, width}},
        {"model.norm.weight", "f32", {width}}};
    for (const int layer : {0, 1}) {
      const std::string name = str("model.layers.", layer, ".");
      tensors.push_back({name + "input_layernorm.weight", "f32", {width}});
      tensors.push_back({name + "post_attention_layernorm.weight", "f32", {width}});
      tensors.push_back({name + "self_attn.q_proj.weight", "f32", {width, width}});
      tensors.push_back({name + "self_attn.k_proj.weight", "f32", {kv, width}});
      tensors.push_back({name + "self_attn.v_proj.weight", "f32", {kv, width}});
      tensors.push_back({name + "self_attn.o_proj.weight", "f32", {width, width}});
      tensors.push_back({name + "mlp.gate_proj.weight", "f32", {inner, width}});
      tensors.push_back({name + "mlp.up_proj.weight", "f32", {inner, width}});
      tensors.push_back({name + "mlp.down_proj.weight", "f32", {width, inner}});
    }
    static const TemporaryFolder made;
    tiny.write_to(made);
    formats::SafetensorsWriter writer;
    std::filesystem::remove(made.path() / "model.safetensors");
    REQUIRE(writer.begin(made.path() / "model.safetensors", tensors, {}));
    std::mt19937 generator(7);
    for (const auto& tensor : tensors) {
      std::normal_distribution<float> values(tensor.shape.size() == 1 ? 1.0f : 0.0f, 0.2f);
      for (std::uint64_t i = 0; i < tensor.bytes() / sizeof(float); ++i)
        REQUIRE(writer.append(strop::test::raw(values(generator))));
    }
    REQUIRE(writer.finish());
    return made.path();
  }();
  return taken(read_model(folder));
}

inline Model demo() {
  if (!std::filesystem::exists(STROP_DEMO_MODEL))
    skip("the demo model is missing (tools/setup makes it)");
  return taken(read_model(STROP_DEMO_MODEL));
}

// One step in a confined worker, as the pipeline runs it.
inline Artifact step(const Model& input, const Recipe& recipe, std::size_t index,
                     const std::string& name) {
  const auto folder = scratch() / name;
  std::filesystem::create_directories(folder);
  auto artifact =
      taken(WorkerBackend(STROP_CONVERT_WORKER, {}).build(input, recipe, index, {.dir = folder}));
  artifact.folder = folder.string();
  return artifact;
}

inline Artifact quantised(const Model& model, std::map<std::string, std::string> params,
                          const std::string& name) {
  params["to"] = "mlx";
  return step(model, {.steps = {{"convert", Operation::quantize, params}}}, 0, name);
}

// The same weights as a GGUF file in f32: what the stand-in is made of.
inline Artifact dequantised(const Artifact& artifact, const std::string& name) {
  Model input;
  input.path = (std::filesystem::path(artifact.folder) / artifact.entry).string();
  input.format = artifact.format;
  const Step back{"convert", Operation::convert, {{"to", "gguf"}, {"type", "f32"}}};
  return step(input, {.steps = {{}, back}}, 1, name);
}

inline std::vector<TokenId> prompt(std::size_t count, std::size_t vocabulary) {
  std::vector<TokenId> ids(count);
  for (std::size_t i = 0; i < count; ++i)
    ids[i] = static_cast<TokenId>((5 + i * 7919) % vocabulary);
  return ids;
}

inline Rows evaluated(Session& session, SequenceId sequence, std::span<const TokenId> ids,
                      std::vector<std::uint32_t> wanted = {}) {
  if (wanted.empty())
    for (std::uint32_t i = 0; i < ids.size(); ++i) wanted.push_back(i);
  Rows rows;
  const auto done = session.decoder()->evaluate(
      sequence, ids, wanted, each_row([&](std::size_t, std::span<const float> row) {
        rows.emplace_back(row.begin(), row.end());
      }));
  REQUIRE_MESSAGE(done, done.error().message);
  return rows;
}

inline Rows reference_rows(const Artifact& gguf, std::span<const TokenId> ids) {
  const WorkerBackend worker(STROP_REFERENCE_WORKER, {});
  const auto session = taken(worker.open(gguf, {}, {.dir = scratch()}));
  return evaluated(session->session(), 0, ids);
}

inline std::unique_ptr<Session> opened(const Artifact& artifact, const RunOptions& options = {}) {
  return taken(MlxBackend().open(artifact, options, {}));
}

inline double largest_difference(const Rows& a, const Rows& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(a[i].size() == b[i].size());
    for (std::size_t j = 0; j < a[i].size(); ++j)
      largest = std::max(largest, std::abs(double{a[i][j]} - b[i][j]));
  }
  return largest;
}

}  // namespace strop::mlx::test
