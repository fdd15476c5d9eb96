#include "encoder_to_onnx.h"

#include <cmath>

#include "encoder_source.h"
#include "formats/mapped_file.h"
#include "formats/onnx_writer.h"
#include "onnx_weights.h"

namespace fs = std::filesystem;

namespace strop::convert {
namespace {

using namespace formats;
using Names = std::vector<std::string>;

constexpr std::int64_t kOpset = 18;
// Added to the scores of masked positions: far below any score, and finite in bf16.
constexpr float kMasked = -1e30f;

template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// The operators are those of which optimizers of graphs know the fused forms: GELU and scores
// divide, the mask is unsqueezed twice and cast afterwards.
class EncoderGraph {
 public:
  EncoderGraph(OnnxWriter& writer, const EncoderSource& source, const Workspace& workspace)
      : writer_(writer),
        source_(source),
        config_(source.config),
        workspace_(workspace),
        weights_(writer, source.weights, workspace) {}

  Result<void> write() {
    writer_.opset("", kOpset);
    for (const char* name : {"input_ids", "attention_mask", "token_type_ids"})
      writer_.input({name, OnnxType::i64, {"batch_size", "sequence_length"}});
    writer_.output({"last_hidden_state",
                    OnnxType::f32,
                    {"batch_size", "sequence_length", std::int64_t{config_.width}}});
    constants();
    mask();
    STROP_CHECK(embeddings());
    for (std::uint32_t layer = 0; layer < config_.layers; ++layer) {
      if (workspace_.progress)
        workspace_.progress->report(static_cast<double>(layer) / config_.layers,
                                    str("layer ", layer));
      STROP_CHECK(encoder_layer(layer));
    }
    writer_.add({"Identity", {stream_}, {"last_hidden_state"}});
    if (source_.pooling.mean) sentence();
    return {};
  }

 private:
  void floats(const std::string& name, float value) {
    writer_.constant(name, OnnxType::f32, {}, raw(std::vector<float>{value}));
  }
  void integers(const std::string& name, const std::vector<std::int64_t>& values) {
    writer_.constant(name, OnnxType::i64, {static_cast<std::int64_t>(values.size())}, raw(values));
  }

  void constants() {
    const std::int64_t heads = config_.heads, head_width = config_.head_width;
    integers("split_heads", {0, 0, heads, head_width});
    integers("join_heads", {0, 0, heads * head_width});
    integers("axis_1", {1});
    integers("axis_2", {2});
    integers("axis_last", {-1});
    for (const auto& [name, value] :
         {std::pair{"index_0", std::int64_t{0}}, {"index_1", std::int64_t{1}}})
      writer_.constant(name, OnnxType::i64, {}, raw(std::vector<std::int64_t>{value}));
    floats("one", 1);
    floats("half", 0.5f);
    floats("root_2", std::sqrt(2.0f));
    floats("masked", kMasked);
    floats("score_divisor", std::sqrt(static_cast<float>(head_width)));
    floats("least", 1e-12f);
    floats("least_tokens", 1e-9f);
  }

  // 0 where attention may look, kMasked where not: [batch, 1, 1, sequence].
  void mask() {
    writer_.add({"Unsqueeze", {"attention_mask", "axis_1"}, {"mask_of_heads"}});
    writer_.add({"Unsqueeze", {"mask_of_heads", "axis_2"}, {"mask_of_rows"}});
    writer_.add({"Cast", {"mask_of_rows"}, {"mask_f32"}, {{"to", std::int64_t{1}}}});
    writer_.add({"Sub", {"one", "mask_f32"}, {"hidden_mask"}});
    writer_.add({"Mul", {"hidden_mask", "masked"}, {"mask_bias"}});
  }

  Result<Stacked> tensor(const std::string& name, const std::vector<std::uint64_t>& shape) {
    STROP_TRY(const SafeTensor* found,
              expected_tensor(source_.weights, {.source = name, .name = name, .shape = shape}));
    return Stacked{{found}};
  }

  Result<void> table(const std::string& name, std::uint64_t rows) {
    STROP_TRY(const Stacked matrix, tensor(name, {rows, config_.width}));
    return weights_.write(name, matrix, FloatType::f32);
  }

  Result<void> embeddings() {
    const std::string prefix = "embeddings.";
    const std::string words = prefix + "word_embeddings.weight",
                      positions = prefix + "position_embeddings.weight",
                      types = prefix + "token_type_embeddings.weight";
    STROP_CHECK(table(words, config_.vocabulary));
    STROP_CHECK(table(positions, config_.context));
    STROP_CHECK(table(types, source_.token_types));
    writer_.add({"Shape", {"input_ids"}, {"ids_shape"}});
    writer_.add({"Gather", {"ids_shape", "index_1"}, {"length"}});
    writer_.add({"Range", {"index_0", "length", "index_1"}, {"position_ids"}});
    writer_.add({"Gather", {words, "input_ids"}, {"of_words"}});
    writer_.add({"Gather", {positions, "position_ids"}, {"of_positions"}});
    writer_.add({"Gather", {types, "token_type_ids"}, {"of_types"}});
    writer_.add({"Add", {"of_words", "of_types"}, {"of_words_and_types"}});
    writer_.add({"Add", {"of_words_and_types", "of_positions"}, {"embedded"}});
    return normalise(prefix + "LayerNorm", "embedded", "stream");
  }

  Result<void> vector(const std::string& name, std::uint64_t width) {
    STROP_TRY(const Stacked values, tensor(name, {width}));
    return weights_.write(name, values, FloatType::f32);
  }

  Result<void> normalise(const std::string& name, const std::string& input,
                         const std::string& output) {
    for (const char* part : {".weight", ".bias"}) STROP_CHECK(vector(name + part, config_.width));
    writer_.add(
        {"LayerNormalization",
         {input, name + ".weight", name + ".bias"},
         {output},
         {{"axis", std::int64_t{-1}}, {"epsilon", static_cast<float>(config_.norm_epsilon)}}});
    stream_ = output;
    return {};
  }

  Result<void> linear(const std::string& name, std::uint64_t from, std::uint64_t to,
                      const std::string& input, const std::string& output) {
    STROP_TRY(const Stacked matrix, tensor(name + ".weight", {to, from}));
    STROP_CHECK(weights_.write_transposed(name + ".weight", matrix, FloatType::f32));
    STROP_CHECK(vector(name + ".bias", to));
    writer_.add({"MatMul", {input, name + ".weight"}, {output + "_product"}});
    writer_.add({"Add", {output + "_product", name + ".bias"}, {output}});
    return {};
  }

  Result<void> encoder_layer(std::uint32_t layer) {
    const std::string source = str("encoder.layer.", layer, "."), own = str("layer_", layer, "_");
    const auto out = [&](const std::string& what) { return own + what; };
    const std::string input = stream_;
    const std::uint64_t width = config_.width;
    for (const char* side : {"query", "key", "value"}) {
      STROP_CHECK(linear(str(source, "attention.self.", side), width, width, input, out(side)));
      writer_.add({"Reshape", {out(side), "split_heads"}, {out(side) + "_split"}});
      // Keys are turned, so that queries multiply them as they are.
      const bool is_key = side == std::string_view("key");
      writer_.add({"Transpose",
                   {out(side) + "_split"},
                   {out(side) + "_heads"},
                   {{"perm", is_key ? std::vector<std::int64_t>{0, 2, 3, 1}
                                    : std::vector<std::int64_t>{0, 2, 1, 3}}}});
    }
    writer_.add({"MatMul", {out("query_heads"), out("key_heads")}, {out("products")}});
    writer_.add({"Div", {out("products"), "score_divisor"}, {out("scores")}});
    writer_.add({"Add", {out("scores"), "mask_bias"}, {out("masked_scores")}});
    writer_.add({"Softmax", {out("masked_scores")}, {out("shares")}, {{"axis", std::int64_t{-1}}}});
    writer_.add({"MatMul", {out("shares"), out("value_heads")}, {out("attended_heads")}});
    writer_.add({"Transpose",
                 {out("attended_heads")},
                 {out("attended_rows")},
                 {{"perm", std::vector<std::int64_t>{0, 2, 1, 3}}}});
    writer_.add({"Reshape", {out("attended_rows"), "join_heads"}, {out("attended")}});
    STROP_CHECK(
        linear(source + "attention.output.dense", width, width, out("attended"), out("change")));
    writer_.add({"Add", {out("change"), input}, {out("attention_sum")}});
    STROP_CHECK(normalise(source + "attention.output.LayerNorm", out("attention_sum"),
                          out("attention_output")));
    return feed_forward(source, own);
  }

  // GELU in its exact form: x / 2 * (1 + erf(x / sqrt(2))).
  Result<void> feed_forward(const std::string& source, const std::string& own) {
    const std::string input = stream_;
    const std::uint64_t width = config_.width, inner = config_.feed_forward;
    STROP_CHECK(linear(source + "intermediate.dense", width, inner, input, own + "inner"));
    writer_.add({"Div", {own + "inner", "root_2"}, {own + "inner_scaled"}});
    writer_.add({"Erf", {own + "inner_scaled"}, {own + "erf"}});
    writer_.add({"Add", {own + "erf", "one"}, {own + "erf_1"}});
    writer_.add({"Mul", {own + "inner", own + "erf_1"}, {own + "twice"}});
    writer_.add({"Mul", {own + "twice", "half"}, {own + "activated"}});
    STROP_CHECK(
        linear(source + "output.dense", inner, width, own + "activated", own + "inner_change"));
    writer_.add({"Add", {own + "inner_change", input}, {own + "sum"}});
    return normalise(source + "output.LayerNorm", own + "sum", own + "output");
  }

  // The mean of the tokens that the mask keeps, and where asked for its direction.
  void sentence() {
    writer_.output(
        {"sentence_embedding", OnnxType::f32, {"batch_size", std::int64_t{config_.width}}});
    const OnnxAttribute flat{"keepdims", std::int64_t{0}};
    writer_.add({"Unsqueeze", {"attention_mask", "axis_last"}, {"mask_of_tokens"}});
    writer_.add({"Cast", {"mask_of_tokens"}, {"mask_column"}, {{"to", std::int64_t{1}}}});
    writer_.add({"Mul", {stream_, "mask_column"}, {"kept"}});
    writer_.add({"ReduceSum", {"kept", "axis_1"}, {"kept_sum"}, {flat}});
    writer_.add({"ReduceSum", {"mask_column", "axis_1"}, {"tokens"}, {flat}});
    writer_.add({"Max", {"tokens", "least_tokens"}, {"some_tokens"}});
    const std::string mean = source_.pooling.normalise ? "mean" : "sentence_embedding";
    writer_.add({"Div", {"kept_sum", "some_tokens"}, {mean}});
    if (!source_.pooling.normalise) return;
    writer_.add({"Mul", {"mean", "mean"}, {"squares"}});
    writer_.add({"ReduceSum", {"squares", "axis_last"}, {"square_of_length"}});
    writer_.add({"Sqrt", {"square_of_length"}, {"length_of_mean"}});
    writer_.add({"Max", {"length_of_mean", "least"}, {"some_length"}});
    writer_.add({"Div", {"mean", "some_length"}, {"sentence_embedding"}});
  }

  OnnxWriter& writer_;
  const EncoderSource& source_;
  const HuggingFaceConfig& config_;
  const Workspace& workspace_;
  OnnxWeights weights_;
  std::string stream_;  // name of what the next layer reads
};

}  // namespace

Result<std::vector<std::string>> encoder_to_onnx(const fs::path& folder,
                                                 const Workspace& workspace) {
  STROP_TRY(const EncoderSource source, read_encoder(folder));
  OnnxWriter writer;
  STROP_CHECK(writer.begin(workspace.dir / "model.onnx"));
  STROP_CHECK(EncoderGraph(writer, source, workspace).write());
  STROP_CHECK(writer.finish());
  if (source.pooling.left_out.empty()) return std::vector<std::string>{};
  return std::vector{source.pooling.left_out};
}

}  // namespace strop::convert
