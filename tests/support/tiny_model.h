// A llama-type model of one layer as a Hugging Face folder, small enough to be made by every test.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/bytes.h"
#include "support/temporary_folder.h"

namespace strop::test {

struct TinyModel {
  using Json = nlohmann::json;

  Json config = {{"architectures", {"LlamaForCausalLM"}},
                 {"model_type", "llama"},
                 {"vocab_size", 4},
                 {"hidden_size", 8},
                 {"num_hidden_layers", 1},
                 {"num_attention_heads", 2},
                 {"num_key_value_heads", 1},
                 {"intermediate_size", 16},
                 {"max_position_embeddings", 64},
                 {"rms_norm_eps", 1e-5},
                 {"rope_theta", 10000.0},
                 {"hidden_act", "silu"},
                 {"tie_word_embeddings", true},
                 {"torch_dtype", "float32"}};
  Json tokenizer = {
      {"added_tokens", {{{"id", 0}, {"content", "<s>"}, {"special", true}}}},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
      {"model",
       {{"type", "BPE"},
        {"vocab", {{"<s>", 0}, {"a", 1}, {"b", 2}, {"ab", 3}}},
        {"merges", {"a b"}}}}};
  Json tokenizer_config = {{"bos_token", "<s>"}};
  std::vector<std::pair<std::string, std::vector<std::uint64_t>>> tensors = {
      {"model.embed_tokens.weight", {4, 8}},
      {"model.layers.0.input_layernorm.weight", {8}},
      {"model.layers.0.mlp.down_proj.weight", {8, 16}},
      {"model.layers.0.mlp.gate_proj.weight", {16, 8}},
      {"model.layers.0.mlp.up_proj.weight", {16, 8}},
      {"model.layers.0.post_attention_layernorm.weight", {8}},
      {"model.layers.0.self_attn.k_proj.weight", {4, 8}},
      {"model.layers.0.self_attn.o_proj.weight", {8, 8}},
      {"model.layers.0.self_attn.q_proj.weight", {8, 8}},
      {"model.layers.0.self_attn.v_proj.weight", {4, 8}},
      {"model.norm.weight", {8}}};
  // Name of a tensor and the value of its last element, where it is not 1.
  std::pair<std::string, float> odd_value = {};

  void write_to(const TemporaryFolder& folder) const {
    folder.write("config.json", config.dump());
    folder.write("tokenizer.json", tokenizer.dump());
    folder.write("tokenizer_config.json", tokenizer_config.dump());
    Json header = Json::object();
    std::string data;
    for (const auto& [name, shape] : tensors) {
      const std::size_t begin = data.size();
      std::uint64_t count = 1;
      for (std::uint64_t dimension : shape) count *= dimension;
      for (std::uint64_t i = 0; i < count; ++i) data += raw(1.0f);
      if (name == odd_value.first) data.replace(data.size() - 4, 4, raw(odd_value.second));
      header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {begin, data.size()}}};
    }
    folder.write("model.safetensors", safetensors(header.dump(), data));
  }
};

}  // namespace strop::test
