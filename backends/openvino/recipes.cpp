#include "recipes.h"

#include <algorithm>
#include <array>

#include "core/half.h"
#include "core/units.h"
#include "formats/model_file.h"

namespace strop::openvino {
namespace {

// Calibration reads no more than this.
constexpr std::uint32_t kMostSamples = 128;
constexpr std::uint32_t kMostTexts = 32;  // a decoder's

// When a model does not say how long its texts may be.
constexpr std::uint32_t kUsualContext = 4096;

Recipe recipe(const Model& model, const std::string& name, const std::string& quantised,
              double bits, const std::string& note) {
  Recipe made{.name = name, .backend = "openvino", .bits_per_weight = bits, .note = note};
  const std::string type = model.format == "gguf" ? "auto" : "f16";
  made.steps.push_back({"convert", Operation::convert, {{"to", "gguf"}, {"type", type}}});
  if (!quantised.empty())
    made.steps.push_back({"convert", Operation::quantize, {{"type", quantised}}});
  const auto context = std::to_string(model.context_length.value_or(kUsualContext));
  made.steps.push_back({"openvino", Operation::convert, {{"context", context}}});
  return made;
}

// One of NNCF's weight compressions, on the IR of the 16-bit weights. Groups of 0: one per row.
struct Compression {
  const char* name = nullptr;
  const char* mode = nullptr;
  std::uint32_t group = 0;
  double ratio = 0;  // of the linear layers that get 4 bits; the others get 8
  double offset_bits = 0;
  const char* note = nullptr;
  std::array<const char*, 2> methods = {};  // that fit to calibration samples
};

constexpr std::array kCompressions{
    Compression{"nncf_int8", "int8_asym", 0, 0, 8, "8 bits with an offset, a scale per row"},
    Compression{"nncf_int8_sym", "int8_sym", 0, 0, 0, "8 bits, a scale per row"},
    Compression{"nncf_int4_g64", "int4_sym", 64, 1, 0, "4 bits, groups of 64: the smallest"},
    Compression{"nncf_int4_asym_g64", "int4_asym", 64, 1, 4, "4 bits with an offset, groups of 64"},
    Compression{"nncf_int4_g128", "int4_sym", 128, 1, 0, "4 bits, groups of 128"},
    Compression{"nncf_mixed", "int4_asym", 64, 0.8, 4,
                "4 bits with an offset, the most sensitive fifth of the layers in 8"},
    Compression{"nncf_int4_g32", "int4_sym", 32, 1, 0, "4 bits, groups of 32"},
    Compression{"nncf_int4_asym_g128", "int4_asym", 128, 1, 4,
                "4 bits with an offset, groups of 128"},
    Compression{"nncf_int4_awq_g64",
                "int4_sym",
                64,
                1,
                0,
                "4 bits, groups of 64, weights and scales fitted to activations",
                {"awq", "scale_estimation"}},
    Compression{"nncf_int4_asym_scale_g64",
                "int4_asym",
                64,
                1,
                4,
                "4 bits with an offset, groups of 64, scales fitted to activations",
                {"scale_estimation"}},
    Compression{"nncf_int4_gptq_g64",
                "int4_sym",
                64,
                1,
                0,
                "4 bits, groups of 64, errors made good column by column",
                {"gptq"}},
    Compression{"nncf_mixed_awq",
                "int4_asym",
                64,
                0.8,
                4,
                "4 bits with an offset fitted to activations, the most sensitive fifth in 8",
                {"awq", "scale_estimation"}},
    Compression{"nncf_int4_asym_g32", "int4_asym", 32, 1, 4, "4 bits with an offset, groups of 32"},
};

constexpr double kScaleBits = 16;

// Nominal bits of a weight with what its group or row adds. NNCF keeps the embedding in 8 bits.
double bits_of(const Compression& how, const Model& model) {
  const double row = model.width ? static_cast<double>(*model.width) : 1024;
  const double eight = 8 + (kScaleBits + 8) / row;
  if (how.group == 0) return 8 + (kScaleBits + how.offset_bits) / row;
  const double four = 4 + (kScaleBits + how.offset_bits) / how.group;
  const double linear = how.ratio * four + (1 - how.ratio) * eight;
  if (!model.parameter_count || !model.vocabulary_size || *model.parameter_count == 0)
    return linear;
  const double embedding = std::min(1.0, row * static_cast<double>(*model.vocabulary_size) /
                                             static_cast<double>(*model.parameter_count));
  return embedding * eight + (1 - embedding) * linear;
}

Recipe compressed(const Model& model, const Compression& how) {
  Recipe made =
      recipe(model, how.name, "", bits_of(how, model), std::string(how.note) + "; by NNCF");
  Step step{"nncf", Operation::quantize, {{"method", "weights"}, {"mode", how.mode}}};
  if (how.group != 0) {
    step.params["group_size"] = std::to_string(how.group);
    step.params["ratio"] = number_text(how.ratio);
  }
  for (const char* method : how.methods) {
    if (method == nullptr) continue;
    step.params[method] = "on";
    step.params["calibration"] = std::to_string(kMostTexts);
    made.calibration = Calibration{.samples = kMostTexts};
  }
  made.steps.push_back(std::move(step));
  return made;
}

// A group must not reach over the end of a row.
bool fits(const Compression& how, const Model& model) {
  return how.group == 0 || !model.width || *model.width % how.group == 0;
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// The steps that make the graph an IR; the convert worker writes an encoder's folder as ONNX.
std::vector<Step> to_ir(const Model& model, const std::string& type) {
  std::vector<Step> steps;
  if (model.format == "huggingface")
    steps.push_back({"convert", Operation::convert, {{"to", "onnx"}, {"type", "f32"}}});
  steps.push_back({"openvino", Operation::convert, {{"type", type}}});
  return steps;
}

Recipe quantised_graph(const Model& model, const std::string& name,
                       std::map<std::string, std::string> params, const std::string& note) {
  Recipe made{.name = name,
              .backend = "openvino",
              .steps = to_ir(model, "original"),
              .bits_per_weight = 8,
              .note = note + "; by NNCF"};
  if (params.contains("calibration")) {
    made.calibration = Calibration{.samples = kMostSamples};
    if (model.kind == ModelKind::embedding) params["model_type"] = "transformer";
  }
  made.steps.push_back({"nncf", Operation::quantize, std::move(params)});
  return made;
}

}  // namespace

std::vector<Recipe> recipes_for(const Model& model) {
  if (model.format == "gguf" && !is_float(model.precision)) {
    Recipe original =
        recipe(model, "original", "", stored_bits_per_weight(model), "the file as it is");
    original.lossless = true;
    return {original};
  }
  auto f16 = recipe(model, "f16", "", 16, "weights in 16 bits");
  f16.lossless = model.precision != "f32";  // 16 bits hold what was trained in 16 bits or quantised
  std::vector<Recipe> recipes{
      f16, recipe(model, "int8", "q8_0", 8.5, "8 bits, groups of 32: near the original"),
      recipe(model, "int4", "q4_0", 4.5, "4 bits, groups of 32: small")};
  for (const Compression& how : kCompressions) {
    if (fits(how, model)) recipes.push_back(compressed(model, how));
  }
  return recipes;
}

std::vector<Recipe> tensor_recipes(const Model& model) {
  const std::string samples = std::to_string(kMostSamples);
  const bool is_16_bits = model.precision == "f16" || model.precision == "bf16";
  Recipe original{.name = model.precision.empty() ? "original" : model.precision,
                  .backend = "openvino",
                  .steps = to_ir(model, "original"),
                  .bits_per_weight = is_16_bits ? 16.0 : 32.0,
                  .lossless = true,
                  .note = "weights as they are"};
  Recipe half{.name = "f16",
              .backend = "openvino",
              .steps = to_ir(model, "f16"),
              .bits_per_weight = 16,
              .note = "weights in 16 bits"};
  std::vector<Recipe> recipes{
      quantised_graph(model, "nncf_int8", {{"method", "post_training"}, {"calibration", samples}},
                      "8 bits, weights and activations, calibrated"),
      quantised_graph(
          model, "nncf_int8_accurate",
          {{"method", "accuracy_aware"}, {"calibration", samples}, {"max_drop", "0.01"}},
          "8 bits where the outputs keep within 0.01 of the original's"),
      quantised_graph(model, "nncf_int8_weights", {{"method", "weights"}, {"mode", "int8_asym"}},
                      "8 bits, weights alone"),
      original};
  if (!is_16_bits) recipes.insert(recipes.end() - 1, half);
  return recipes;
}

std::vector<Recipe> exported_recipes() {
  const auto exported = [](const std::string& name, double bits, const std::string& note) {
    Recipe made{.name = "optimum_" + name,
                .backend = "openvino",
                .bits_per_weight = bits,
                .note = note + "; exported by optimum-intel"};
    made.steps = {{"optimum", Operation::convert, {{"type", name}}}};
    return made;
  };
  return {exported("int8", 8, "8 bits with an offset, a scale per row"),
          exported("f16", 16, "weights in 16 bits")};
}

std::vector<RunPreset> presets_for(SessionKind kind, const std::vector<std::string>& precisions) {
  std::vector<RunPreset> presets{{"default", {}, "the plug-in's own defaults"}};
  if (kind == SessionKind::decoder) {
    presets.push_back({"whole_activations",
                       {{"dynamic_quantization_group", "0"}},
                       "activations are not rounded to 8 bits: nearer to the original"});
    presets.push_back({"kv_f16",
                       {{"kv_cache_precision", "f16"}},
                       "cached keys and values in 16 bits: no conversion"});
  }
  if (contains(precisions, "bf16"))
    presets.push_back({"f32", {{"precision_hint", "f32"}}, "exact arithmetic, slower"});
  return presets;
}

}  // namespace strop::openvino
