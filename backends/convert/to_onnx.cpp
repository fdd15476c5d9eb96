#include "to_onnx.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>

#include "core/files.h"
#include "core/json.h"
#include "decoder_source.h"
#include "formats/onnx_writer.h"
#include "formats/weight_grid.h"
#include "onnx_weights.h"
#include "to_gguf.h"

namespace fs = std::filesystem;

namespace strop::convert {
namespace {

using namespace formats;

constexpr const char* kMicrosoft = "com.microsoft";
// Heads must be whole vectors of this many for the attention operator's rotary positions.
constexpr std::uint32_t kHeadMultiple = 16;

Error refused(ErrorCode code, const std::string& field, const std::string& rule,
              const std::string& value) {
  return Error{.code = code,
               .message = str("[optimize] ", field, " ", rule, ", but is ", value),
               .field = field,
               .value = value};
}

std::string param(const std::map<std::string, std::string>& params, const std::string& name,
                  const std::string& absent) {
  const auto found = params.find(name);
  return found == params.end() ? absent : found->second;
}

Result<std::uint32_t> block_size(const std::string& text) {
  std::uint32_t value = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (error != std::errc() || end != last || value < kMinBlock || value > kMaxBlock ||
      (value & (value - 1)) != 0)
    return refused(ErrorCode::invalid_input, "block_size", "must be 16, 32, 64, 128 or 256", text);
  return value;
}

// 0 for a type that is not kept in blocks.
std::uint32_t bits_of(const std::string& type) {
  return type == "int8" ? 8 : type == "int4" ? 4 : 0;
}

// The operators take rows of whole blocks, and the attention operator whole vectors.
Result<void> check_shapes(const HuggingFaceConfig& config, const OnnxOptions& options) {
  if (config.head_width % kHeadMultiple != 0)
    return refused(ErrorCode::unsupported, "head_dim",
                   str("must be a multiple of ", kHeadMultiple, " for ONNX Runtime's attention"),
                   str(config.head_width));
  if (!options.blocks) return {};
  const std::uint32_t block = options.blocks->block;
  for (const auto& [field, width] :
       {std::pair{"hidden_size", config.width},
        {"intermediate_size", config.feed_forward},
        {"num_attention_heads * head_dim", config.heads * config.head_width}}) {
    if (width % block != 0)
      return refused(ErrorCode::unsupported, field, str("must be a multiple of block_size ", block),
                     str(width));
  }
  return {};
}

std::string raw_i64(std::int64_t value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string_view bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

// Walks the layers once: every matrix is written as the nodes that use it are.
class DecoderGraph {
 public:
  DecoderGraph(OnnxWriter& writer, const DecoderSource& source, const OnnxOptions& options,
               const Workspace& workspace)
      : writer_(writer),
        source_(source),
        config_(source.config),
        options_(options),
        workspace_(workspace),
        weights_(writer, source.weights, workspace) {}

  Result<void> write() {
    writer_.opset("", 18);
    writer_.opset(kMicrosoft, 1);
    declare_values();
    sequence_lengths();
    STROP_CHECK(rotary_tables());
    STROP_CHECK(embedding());
    for (std::uint32_t layer = 0; layer < config_.layers; ++layer) {
      if (workspace_.progress)
        workspace_.progress->report(static_cast<double>(layer) / config_.layers,
                                    str("layer ", layer));
      STROP_CHECK(decoder_layer(layer));
    }
    return head();
  }

 private:
  using Names = std::vector<std::string>;

  void declare_values() {
    const auto cache = [&](const std::string& name, const char* length) {
      return OnnxValue{
          name,
          OnnxType::f32,
          {"batch_size", std::int64_t{config_.kv_heads}, length, std::int64_t{config_.head_width}}};
    };
    writer_.input({"input_ids", OnnxType::i64, {"batch_size", "sequence_length"}});
    writer_.input({"attention_mask", OnnxType::i64, {"batch_size", "total_sequence_length"}});
    writer_.output({"logits",
                    OnnxType::f32,
                    {"batch_size", "logits_length", std::int64_t{config_.vocabulary}}});
    for (std::uint32_t layer = 0; layer < config_.layers; ++layer) {
      for (const char* side : {"key", "value"}) {
        writer_.input(cache(str("past_key_values.", layer, ".", side), "past_sequence_length"));
        writer_.output(cache(str("present.", layer, ".", side), "total_sequence_length"));
      }
    }
    writer_.input({"logits_start", OnnxType::i64, {std::int64_t{1}}});
    writer_.constant("logits_start", OnnxType::i64, {1}, raw_i64(0));
    writer_.constant("one", OnnxType::i64, {1}, raw_i64(1));
    writer_.constant("end", OnnxType::i64, {1}, raw_i64(std::numeric_limits<std::int64_t>::max()));
  }

  // What the attention operator wants to know of the mask: the last position of each sequence, and
  // the length of the longest.
  void sequence_lengths() {
    const OnnxAttribute to_i32{"to", std::int64_t{6}};
    writer_.add(
        {"ReduceSum", {"attention_mask", "one"}, {"tokens"}, {{"keepdims", std::int64_t{0}}}});
    writer_.add({"Sub", {"tokens", "one"}, {"last_position"}});
    writer_.add({"Cast", {"last_position"}, {"last_position_i32"}, {to_i32}});
    writer_.add({"Shape", {"attention_mask"}, {"mask_shape"}});
    writer_.constant("one_scalar", OnnxType::i64, {}, raw_i64(1));
    writer_.add({"Gather", {"mask_shape", "one_scalar"}, {"total_length"}});
    writer_.add({"Cast", {"total_length"}, {"total_length_i32"}, {to_i32}});
  }

  // cos and sin of position * frequency, up to the context's length.
  Result<void> rotary_tables() {
    const std::vector<float> factors = rotary_factors(config_);
    const std::uint32_t pairs = config_.head_width / 2;
    const double stretch = config_.rope_scaling && config_.rope_scaling->kind == "linear"
                               ? config_.rope_scaling->factor
                               : 1;
    std::vector<double> frequencies(pairs);
    for (std::uint32_t pair = 0; pair < pairs; ++pair)
      frequencies[pair] = std::pow(config_.rope_base, -2.0 * pair / config_.head_width) /
                          (factors.empty() ? stretch : double{factors[pair]});
    const std::vector<std::int64_t> shape{config_.context, pairs};
    const auto cos_slot = writer_.tensor("cos_cache", OnnxType::f32, shape),
               sin_slot = writer_.tensor("sin_cache", OnnxType::f32, shape);
    std::vector<float> cosines(pairs), sines(pairs);
    for (std::uint32_t position = 0; position < config_.context; ++position) {
      for (std::uint32_t pair = 0; pair < pairs; ++pair) {
        cosines[pair] = static_cast<float>(std::cos(position * frequencies[pair]));
        sines[pair] = static_cast<float>(std::sin(position * frequencies[pair]));
      }
      STROP_CHECK(writer_.append(cos_slot, bytes_of(cosines)));
      STROP_CHECK(writer_.append(sin_slot, bytes_of(sines)));
    }
    return {};
  }

  const SafeTensor* tensor(const std::string& name) const {
    return source_.weights.find(name + ".weight");
  }

  Result<void> embedding() {
    const std::string name = "model.embed_tokens";
    const Stacked matrix{{tensor(name)}};
    if (options_.blocks) {
      const std::string gathered = name + "_rows";
      const BlockFormat format = embedding_format();
      STROP_TRY(embedding_, weights_.write_quantized(name, matrix, format, gathered));
      Names inputs{gathered, "input_ids", embedding_.scales};
      if (!embedding_.zero_points.empty()) inputs.push_back(embedding_.zero_points);
      writer_.add({"GatherBlockQuantized",
                   inputs,
                   {"hidden_0"},
                   {{"bits", std::int64_t{format.bits}},
                    {"block_size", std::int64_t{format.block}},
                    {"gather_axis", std::int64_t{0}},
                    {"quantize_axis", std::int64_t{1}}},
                   kMicrosoft});
    } else {
      embedding_.codes = name + ".weight";
      STROP_CHECK(weights_.write(embedding_.codes, matrix, options_.floats));
      const bool wide = options_.floats == FloatType::f32;
      writer_.add({"Gather", {embedding_.codes, "input_ids"}, {wide ? "hidden_0" : "narrow_0"}});
      if (!wide) widen("narrow_0", "hidden_0");
    }
    residual_ = "hidden_0";
    return {};
  }

  void widen(const std::string& from, const std::string& to) {
    writer_.add({"Cast", {from}, {to}, {{"to", std::int64_t{1}}}});
  }

  // output = input * matrix, transposed. f16 weights are widened first, which an engine does once.
  Result<void> linear(const std::string& name, const Stacked& matrix, const std::string& input,
                      const std::string& output) {
    if (options_.blocks) {
      STROP_TRY(const QuantizedNames names,
                weights_.write_quantized(name, matrix, *options_.blocks));
      multiply_blocks(names, matrix, *options_.blocks, input, output);
      return {};
    }
    std::string weight = name + ".weight";
    STROP_CHECK(weights_.write_transposed(weight, matrix, options_.floats));
    if (options_.floats != FloatType::f32) {
      widen(weight, weight + "_f32");
      weight += "_f32";
    }
    writer_.add({"MatMul", {input, weight}, {output}});
    return {};
  }

  BlockFormat embedding_format() const {
    BlockFormat format = *options_.blocks;
    format.bits = options_.embedding_bits;
    return format;
  }

  void multiply_blocks(const QuantizedNames& names, const Stacked& matrix,
                       const BlockFormat& format, const std::string& input,
                       const std::string& output) {
    Names inputs{input, names.codes, names.scales};
    if (!names.zero_points.empty()) inputs.push_back(names.zero_points);
    writer_.add({"MatMulNBits",
                 inputs,
                 {output},
                 {{"K", static_cast<std::int64_t>(matrix.width())},
                  {"N", static_cast<std::int64_t>(matrix.rows())},
                  {"bits", std::int64_t{format.bits}},
                  {"block_size", std::int64_t{format.block}},
                  {"accuracy_level", options_.accuracy_level}},
                 kMicrosoft});
  }

  // RMS norm of the residual stream; `change` is added to the stream first, where there is one.
  Result<void> normalise(const std::string& name, const std::string& output) {
    const std::string scale = name + ".weight";
    STROP_CHECK(weights_.write(scale, {{tensor(name)}}, FloatType::f32));
    const OnnxAttribute epsilon{"epsilon", static_cast<float>(config_.norm_epsilon)};
    if (change_.empty()) {
      writer_.add({"SimplifiedLayerNormalization",
                   {residual_, scale},
                   {output},
                   {{"axis", std::int64_t{-1}}, epsilon, {"stash_type", std::int64_t{1}}}});
      return {};
    }
    const std::string sum = output + "_residual";
    writer_.add({"SkipSimplifiedLayerNormalization",
                 {residual_, change_, scale},
                 {output, "", "", sum},
                 {epsilon},
                 kMicrosoft});
    residual_ = sum;
    return {};
  }

  Result<void> decoder_layer(std::uint32_t layer) {
    const std::string source = str("model.layers.", layer, "."), own = str("layer_", layer, "_");
    const auto out = [&](const char* what) { return own + what; };
    STROP_CHECK(normalise(source + "input_layernorm", out("attention_input")));
    const std::string attention = source + "self_attn.";
    STROP_CHECK(linear(attention + "qkv_proj",
                       {{tensor(attention + "q_proj"), tensor(attention + "k_proj"),
                         tensor(attention + "v_proj")}},
                       out("attention_input"), out("qkv")));
    const std::string past = str("past_key_values.", layer, "."), now = str("present.", layer, ".");
    writer_.add({"GroupQueryAttention",
                 {out("qkv"), "", "", past + "key", past + "value", "last_position_i32",
                  "total_length_i32", "cos_cache", "sin_cache"},
                 {out("attended"), now + "key", now + "value"},
                 {{"num_heads", std::int64_t{config_.heads}},
                  {"kv_num_heads", std::int64_t{config_.kv_heads}},
                  {"scale", 1.0f / std::sqrt(static_cast<float>(config_.head_width))},
                  {"do_rotary", std::int64_t{1}},
                  {"rotary_interleaved", std::int64_t{0}}},
                 kMicrosoft});
    STROP_CHECK(linear(attention + "o_proj", {{tensor(attention + "o_proj")}}, out("attended"),
                       out("attention_change")));
    change_ = out("attention_change");
    STROP_CHECK(normalise(source + "post_attention_layernorm", out("mlp_input")));
    for (const char* name : {"gate", "up"})
      STROP_CHECK(linear(str(source, "mlp.", name, "_proj"),
                         {{tensor(str(source, "mlp.", name, "_proj"))}}, out("mlp_input"),
                         out(name)));
    writer_.add({"Sigmoid", {out("gate")}, {out("gate_sigmoid")}});
    writer_.add({"Mul", {out("gate"), out("gate_sigmoid")}, {out("activated")}});
    writer_.add({"Mul", {out("activated"), out("up")}, {out("gated")}});
    STROP_CHECK(linear(source + "mlp.down_proj", {{tensor(source + "mlp.down_proj")}}, out("gated"),
                       out("mlp_change")));
    change_ = out("mlp_change");
    return {};
  }

  Result<void> head() {
    STROP_CHECK(normalise("model.norm", "normalised"));
    writer_.add({"Slice", {"normalised", "logits_start", "end", "one"}, {"wanted"}});
    const std::string name = config_.tied_embeddings ? "model.embed_tokens" : "lm_head";
    const Stacked matrix{{tensor(name)}};
    if (options_.blocks) {
      if (!config_.tied_embeddings) {
        STROP_TRY(embedding_, weights_.write_quantized(name, matrix, embedding_format()));
      }
      multiply_blocks(embedding_, matrix, embedding_format(), "wanted", "logits");
      return {};
    }
    // Transposed by the engine when it loads the model: the largest matrix is there once, as the
    // embedding wants it.
    std::string weight = name + ".weight";
    if (!config_.tied_embeddings) STROP_CHECK(weights_.write(weight, matrix, options_.floats));
    if (options_.floats != FloatType::f32) {
      widen(weight, weight + "_f32");
      weight += "_f32";
    }
    writer_.add({"Transpose",
                 {weight},
                 {weight + "_transposed"},
                 {{"perm", std::vector<std::int64_t>{1, 0}}}});
    writer_.add({"MatMul", {"wanted", weight + "_transposed"}, {"logits"}});
    return {};
  }

  OnnxWriter& writer_;
  const DecoderSource& source_;
  const HuggingFaceConfig& config_;
  const OnnxOptions& options_;
  const Workspace& workspace_;
  OnnxWeights weights_;
  QuantizedNames embedding_;
  std::string residual_, change_;  // names of the stream, and of what is still to be added to it
};

Json sides(const char* prefix, const char* names) {
  Json json;
  for (const char* side : {"key", "value"})
    json[str(names, "_", side, "_names")] = str(prefix, ".%d.", side);
  return json;
}

// What onnxruntime-genai needs to know of the graph and of how its tokens end.
Json genai_config(const DecoderSource& source) {
  const HuggingFaceConfig& config = source.config;
  Json inputs = sides("past_key_values", "past"), outputs = sides("present", "present");
  inputs["input_ids"] = "input_ids";
  inputs["attention_mask"] = "attention_mask";
  outputs["logits"] = "logits";
  Json ends = Json::array();
  for (const auto& id : {source.tokenizer.eos, config.eos}) {
    if (id && std::find(ends.begin(), ends.end(), *id) == ends.end()) ends.push_back(*id);
  }
  Json model = {{"type", "llama"},
                {"vocab_size", config.vocabulary},
                {"context_length", config.context},
                {"eos_token_id", ends},
                {"decoder",
                 {{"filename", "model.onnx"},
                  {"session_options", {{"log_id", "strop"}, {"provider_options", Json::array()}}},
                  {"head_size", config.head_width},
                  {"hidden_size", config.width},
                  {"num_attention_heads", config.heads},
                  {"num_hidden_layers", config.layers},
                  {"num_key_value_heads", config.kv_heads},
                  {"inputs", inputs},
                  {"outputs", outputs}}}};
  const auto bos = source.tokenizer.bos ? source.tokenizer.bos : config.bos;
  if (bos) model["bos_token_id"] = *bos;
  const auto pad = source.tokenizer.pad ? source.tokenizer.pad : config.pad;
  if (pad)
    model["pad_token_id"] = *pad;
  else if (!ends.empty())
    model["pad_token_id"] = ends[0];
  return {{"model", model},
          {"search",
           {{"do_sample", false},
            {"max_length", config.context},
            {"past_present_share_buffer", true}}}};
}

}  // namespace

Result<OnnxOptions> onnx_options(const std::map<std::string, std::string>& params) {
  const std::string type = param(params, "type", "f32");
  OnnxOptions options;
  if (type == "f32" || type == "f16") {
    options.floats = *float_type(type);
    for (const char* name : {"block_size", "symmetric", "accuracy_level", "embedding"}) {
      if (params.contains(name))
        return refused(ErrorCode::invalid_input, name, "goes with type int8 or int4 only",
                       params.at(name));
    }
    return options;
  }
  const std::uint32_t bits = bits_of(type),
                      embedding_bits = bits_of(param(params, "embedding", type));
  if (bits == 0)
    return refused(ErrorCode::invalid_input, "type", "must be f32, f16, int8 or int4", type);
  if (embedding_bits == 0)
    return refused(ErrorCode::invalid_input, "embedding", "must be int8 or int4",
                   params.at("embedding"));
  BlockFormat format{.bits = bits};
  STROP_TRY(format.block, block_size(param(params, "block_size", "32")));
  const std::string symmetric = param(params, "symmetric", "true");
  if (symmetric != "true" && symmetric != "false")
    return refused(ErrorCode::invalid_input, "symmetric", "must be true or false", symmetric);
  format.symmetric = symmetric == "true";
  const std::string level = param(params, "accuracy_level", "4");
  if (level != "1" && level != "4")
    return refused(ErrorCode::invalid_input, "accuracy_level", "must be 1 or 4", level);
  options.accuracy_level = level == "1" ? 1 : 4;
  options.blocks = format;
  options.embedding_bits = embedding_bits;
  return options;
}

Result<void> huggingface_to_onnx(const fs::path& folder, OnnxOptions options,
                                 const Workspace& workspace) {
  STROP_TRY(const DecoderSource source, read_decoder(folder));
  STROP_CHECK(check_shapes(source.config, options));
  if (options.blocks) options.blocks->seek_grid = grid_of(source.weights) == kIntegerGrid;
  OnnxWriter writer;
  STROP_CHECK(writer.begin(workspace.dir / "model.onnx"));
  STROP_CHECK(DecoderGraph(writer, source, options, workspace).write());
  STROP_CHECK(writer.finish());
  STROP_CHECK(
      write_whole(workspace.dir / "genai_config.json", text_of(genai_config(source), 2) + "\n"));
  return write_vocabulary(source, folder, workspace.dir / "vocab.gguf");
}

}  // namespace strop::convert
