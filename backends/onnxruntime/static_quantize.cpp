#include "static_quantize.h"

#include <onnxruntime_session_options_config_keys.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>

#include "calibrate.h"
#include "core/files.h"
#include "core/logits.h"
#include "engine.h"
#include "formats/onnx_writer.h"
#include "static_plan.h"

namespace fs = std::filesystem;

namespace strop::onnxruntime {
namespace {

using formats::OnnxGraph;
using formats::OnnxGraphNode;
using formats::OnnxNode;
using formats::OnnxTensor;
using formats::OnnxType;
using formats::OnnxWriter;

constexpr const char* kEntry = "model.onnx";
constexpr const char* kScratch = ".scratch";
// The scales per channel of DequantizeLinear came with this version of ONNX's operators; ONNX
// Runtime has had them in its own set before.
constexpr std::int64_t kChannelOpset = 13;
constexpr const char* kMicrosoft = "com.microsoft";
constexpr float kLargestCode = 127;
// Biases are kept below this many of their own steps, with room to add to.
constexpr float kMostBias = 0x1p30F;

Error refused(const std::string& field, const std::string& rule, const std::string& value) {
  return {ErrorCode::invalid_input,
          str("[onnxruntime] ", field, " must be ", rule, ", but is ", value, "."),
          {},
          field,
          value};
}

template <class T>
std::string_view bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// int8 = value / scale + zero, from -128 to 127.
struct Grid {
  float scale = 1;
  std::int8_t zero = 0;
};

Grid grid_of(const Range& range) {
  const float least = std::min(0.0f, range.least), most = std::max(0.0f, range.most);
  const float scale = (most - least) / 255;
  if (!(scale >= std::numeric_limits<float>::min())) return {};
  return {scale, static_cast<std::int8_t>(
                     std::clamp(std::nearbyint(-128 - least / scale), -128.0f, 127.0f))};
}

// A weight's index along the axis, for the element at `position`.
struct Channels {
  std::size_t count = 1, inner = 1;  // inner: elements of one index, next to each other
  std::size_t of(std::size_t position) const { return position / inner % count; }
};

Channels channels_of(const OnnxTensor& weight, std::size_t axis) {
  Channels channels{.count = static_cast<std::size_t>(weight.shape[axis])};
  for (std::size_t i = axis + 1; i < weight.shape.size(); ++i)
    channels.inner *= static_cast<std::size_t>(weight.shape[i]);
  return channels;
}

struct Int8Weight {
  std::vector<float> scales;
  std::vector<std::int8_t> codes;
};

// Symmetric. least_scales: below which a channel's scale may not be, for its bias's sake.
Int8Weight rounded(const std::vector<float>& values, const Channels& channels, bool per_channel,
                   const std::vector<float>& least_scales) {
  Int8Weight made{.scales = std::vector<float>(channels.count), .codes = {}};
  for (std::size_t i = 0; i < values.size(); ++i) {
    float& most = made.scales[channels.of(i)];
    most = std::max(most, std::fabs(values[i]));
  }
  for (std::size_t c = 0; c < channels.count; ++c) {
    made.scales[c] /= kLargestCode;
    if (!least_scales.empty()) made.scales[c] = std::max(made.scales[c], least_scales[c]);
    if (!(made.scales[c] >= std::numeric_limits<float>::min())) made.scales[c] = 1;
  }
  if (!per_channel) {
    const float most = *std::max_element(made.scales.begin(), made.scales.end());
    std::fill(made.scales.begin(), made.scales.end(), most);
  }
  made.codes.resize(values.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    made.codes[i] = static_cast<std::int8_t>(std::clamp(
        std::nearbyint(values[i] / made.scales[channels.of(i)]), -kLargestCode, kLargestCode));
  return made;
}

class Writer {
 public:
  Writer(const OnnxGraph& graph, const StaticPlan& plan, const std::map<std::string, Grid>& grids,
         const StaticOptions& options)
      : graph_(graph), plan_(plan), grids_(grids), options_(options) {
    for (const Product& product : plan.products) products_[product.node] = product;
    if (graph.opset("").value_or(0) < kChannelOpset) domain_ = kMicrosoft;
  }

  Result<void> write(const fs::path& path) {
    STROP_CHECK(out_.begin(path));
    out_.keep_ir_version(std::max<std::uint64_t>(graph_.ir_version(), 4));
    for (const auto& [domain, version] : graph_.opsets()) out_.opset(domain, version);
    if (!domain_.empty() && !graph_.opset(domain_)) out_.opset(domain_, 1);
    for (const auto& port : graph_.inputs()) out_.keep_input(port.encoded);
    for (const auto& port : graph_.outputs()) out_.keep_output(port.encoded);
    for (const auto field : graph_.graph_rest()) out_.keep_of_graph(field);
    for (const auto& port : graph_.inputs()) {
      if (plan_.activations.contains(port.name)) pair_beside(port.name);
    }
    for (std::size_t i = 0; i < graph_.nodes().size(); ++i) STROP_CHECK(node(i));
    STROP_CHECK(constants());
    return out_.finish();
  }

 private:
  using Names = std::vector<std::string>;

  Result<void> node(std::size_t index) {
    const OnnxGraphNode& node = graph_.nodes()[index];
    Names inputs = node.inputs, outputs = node.outputs;
    const auto product = products_.find(index);
    if (product != products_.end()) {
      STROP_CHECK(weight(node, product->second, inputs));
      inputs[0] = as_read(inputs[0]);
    } else if (plan_.carriers.contains(index)) {
      for (auto& name : inputs) name = as_read(name);
    }
    for (auto& name : outputs) {
      if (plan_.rounded.contains(name)) name += "/float";
    }
    out_.keep_node(renamed(node, inputs, outputs));
    for (const auto& name : node.outputs) {
      if (plan_.rounded.contains(name))
        pair(name, name + "/float", name);
      else if (plan_.activations.contains(name))
        pair_beside(name);
    }
    return {};
  }

  // By what name an int8 operator reads an activation: one that all see rounded keeps its own.
  std::string as_read(const std::string& name) const {
    return plan_.rounded.contains(name) || !plan_.activations.contains(name) ? name
                                                                             : name + "/rounded";
  }

  void pair_beside(const std::string& name) { pair(name, name, name + "/rounded"); }

  void pair(const std::string& name, const std::string& from, const std::string& to) {
    const Grid& grid = grids_.at(name);
    const std::string scale = name + "/scale", zero = name + "/zero", code = name + "/int8";
    out_.constant(scale, OnnxType::f32, {}, bytes_of(std::vector{grid.scale}));
    out_.constant(zero, OnnxType::i8, {}, bytes_of(std::vector{grid.zero}));
    out_.add({"QuantizeLinear", {from, scale, zero}, {code}, {}, domain_});
    out_.add({"DequantizeLinear", {code, scale, zero}, {to}, {}, domain_});
  }

  // The steps of a bias are those of the sums that it is added to.
  std::vector<float> least_scales(const std::vector<float>& bias, float input_scale) const {
    std::vector<float> least;
    for (const float value : bias) least.push_back(std::fabs(value) / (input_scale * kMostBias));
    return least;
  }

  Result<void> weight(const OnnxGraphNode& node, const Product& product, Names& inputs) {
    const OnnxTensor& tensor = *constant_named(graph_, node.inputs[1]);
    const float input_scale = grids_.at(node.inputs[0]).scale;
    std::vector<float> bias;
    const bool has_bias = node.inputs.size() > 2 && !node.inputs[2].empty();
    if (has_bias) bias = constant_named(graph_, node.inputs[2])->floats();
    const auto values = tensor.floats();
    if (!all_finite(values) || !all_finite(bias))
      return Error{ErrorCode::corrupt,
                   str("[onnxruntime] the weight ", node.inputs[1],
                       " or its bias holds a value that is not finite."),
                   {},
                   node.inputs[1]};
    const Channels channels = channels_of(tensor, product.axis);
    const Int8Weight made =
        rounded(values, channels, options_.per_channel,
                has_bias ? least_scales(bias, input_scale) : std::vector<float>());
    // Two nodes may use one weight with inputs of different scales.
    const std::string name = str(node.inputs[1], "/", product.node);
    const std::vector<std::int64_t> scales_shape{tensor.shape[product.axis]};
    const std::vector<formats::OnnxAttribute> axis{
        {"axis", static_cast<std::int64_t>(product.axis)}};
    STROP_CHECK(out_.keep_constant(name + "/int8", 3, tensor.shape, bytes_of(made.codes)));
    STROP_CHECK(out_.keep_constant(name + "/scale", 1, scales_shape, bytes_of(made.scales)));
    const std::vector<std::int8_t> zeros(made.scales.size());
    STROP_CHECK(out_.keep_constant(name + "/zero", 3, scales_shape, bytes_of(zeros)));
    out_.add({"DequantizeLinear",
              {name + "/int8", name + "/scale", name + "/zero"},
              {name + "/rounded"},
              axis,
              domain_});
    inputs[1] = name + "/rounded";
    if (has_bias) STROP_CHECK(int32_bias(bias, made.scales, input_scale, name, inputs));
    return {};
  }

  Result<void> int32_bias(const std::vector<float>& bias, const std::vector<float>& weight_scales,
                          float input_scale, const std::string& weight, Names& inputs) {
    const std::string name = weight + "/bias";
    std::vector<float> scales(bias.size());
    std::vector<std::int32_t> codes(bias.size()), zeros(bias.size());
    for (std::size_t i = 0; i < bias.size(); ++i) {
      scales[i] = weight_scales[i] * input_scale;
      codes[i] = static_cast<std::int32_t>(std::nearbyint(bias[i] / scales[i]));
    }
    const std::vector<std::int64_t> shape{static_cast<std::int64_t>(bias.size())};
    STROP_CHECK(out_.keep_constant(name + "/int32", 6, shape, bytes_of(codes)));
    STROP_CHECK(out_.keep_constant(name + "/scale", 1, shape, bytes_of(scales)));
    STROP_CHECK(out_.keep_constant(name + "/zero", 6, shape, bytes_of(zeros)));
    out_.add({"DequantizeLinear",
              {name + "/int32", name + "/scale", name + "/zero"},
              {name + "/rounded"},
              {{"axis", std::int64_t{0}}},
              domain_});
    inputs[2] = name + "/rounded";
    return {};
  }

  // What is still read in f32. Subgraphs may read any.
  Result<void> constants() {
    std::set<std::string> read;
    bool has_subgraph = false;
    for (std::size_t i = 0; i < graph_.nodes().size(); ++i) {
      const OnnxGraphNode& node = graph_.nodes()[i];
      has_subgraph |= node.has_subgraph;
      for (std::size_t k = 0; k < node.inputs.size(); ++k) {
        if (!products_.contains(i) || k == 0) read.insert(node.inputs[k]);
      }
    }
    for (const auto& port : graph_.outputs()) read.insert(port.name);
    for (const auto& port : graph_.inputs()) read.insert(port.name);
    for (const auto& [name, tensor] : graph_.constants()) {
      if (!has_subgraph && !read.contains(name)) continue;
      if (tensor.data.empty())
        out_.keep_constant(tensor.encoded);
      else
        STROP_CHECK(out_.keep_constant(name, tensor.type, tensor.shape, tensor.data));
    }
    return {};
  }

  const OnnxGraph& graph_;
  const StaticPlan& plan_;
  const std::map<std::string, Grid>& grids_;
  const StaticOptions& options_;
  std::map<std::size_t, Product> products_;
  std::string domain_;
  OnnxWriter out_;
};

// Constants folded, batch normalisation inside its convolution: what is to be quantised, and
// nothing that only one machine can run.
Result<void> prepare(const fs::path& model, const fs::path& out) {
  return guard("simplifying the graph", [&]() -> Result<void> {
    Ort::SessionOptions options;
    options.SetGraphOptimizationLevel(ORT_ENABLE_BASIC);
    options.SetOptimizedModelFilePath(out.c_str());
    const std::string data = out.filename().string() + ".data";
    options.AddConfigEntry(kOrtSessionOptionsOptimizedModelExternalInitializersFileName,
                           data.c_str());
    options.AddConfigEntry(kOrtSessionOptionsOptimizedModelExternalInitializersMinSizeInBytes,
                           "1024");
    options.DisableCpuMemArena();
    const Ort::Session session(environment(), model.c_str(), options);
    return {};
  });
}

Result<void> check_names(const OnnxGraph& graph, const StaticPlan& plan) {
  for (const OnnxGraphNode& node : graph.nodes()) {
    if (node.op == "QuantizeLinear" || node.op == "DynamicQuantizeLinear")
      return Error{ErrorCode::unsupported,
                   "[onnxruntime] the model is quantised already, which is not done twice.",
                   {},
                   "precision"};
    for (const auto& name : node.outputs) {
      const auto slash = name.rfind('/');
      if (slash == std::string::npos) continue;
      const std::string stem = name.substr(0, slash), end = name.substr(slash);
      if (plan.activations.contains(stem) &&
          (end == "/int8" || end == "/float" || end == "/rounded"))
        return Error{ErrorCode::unsupported,
                     str("[onnxruntime] the tensor ", name, " has a name that the result needs."),
                     {},
                     name};
    }
  }
  if (!plan.products.empty()) return {};
  return Error{
      ErrorCode::unsupported,
      "[onnxruntime] the model has no convolution, Gemm or MatMul with constant weights in "
      "f32, which is what becomes int8.",
      {},
      "precision"};
}

Result<Artifact> quantised(const fs::path& model, const StaticOptions& options,
                           const fs::path& scratch, const Workspace& workspace) {
  STROP_CHECK(prepare(model, scratch / "plain.onnx"));
  STROP_TRY(const OnnxGraph graph, OnnxGraph::open(scratch / "plain.onnx"));
  const StaticPlan plan = plan_static(graph);
  STROP_CHECK(check_names(graph, plan));
  STROP_TRY(const Calibrated calibrated,
            calibrate(graph, plan.activations, scratch / "observed.onnx", workspace));
  std::map<std::string, Grid> grids;
  for (const auto& [name, histogram] : calibrated.histograms) {
    if (histogram.count() == 0)
      return Error{ErrorCode::invalid_input,
                   str("[onnxruntime] the samples give no finite value of the activation ", name,
                       ", so it has no range."),
                   "Give samples that reach every part of the model.", "calibration", name};
    grids[name] = grid_of(histogram.range(options.percentile));
  }
  for (auto name = plan.same_values.begin(); name != plan.same_values.end(); ++name) {
    std::string root = name->second;
    for (auto found = plan.same_values.find(root); found != plan.same_values.end();
         found = plan.same_values.find(root))
      root = found->second;
    grids[name->first] = grids.at(root);
  }
  STROP_CHECK(Writer(graph, plan, grids, options).write(workspace.dir / kEntry));
  Artifact artifact{.format = "onnx", .entry = kEntry};
  for (const char* name : {kEntry, "model.onnx.data"}) artifact.files.push_back({.path = name});
  artifact.notes.push_back(str(plan.products.size(), " products in int8, ", plan.activations.size(),
                               " activations calibrated on ", calibrated.samples, " samples."));
  return artifact;
}

}  // namespace

Result<StaticOptions> static_options(const std::map<std::string, std::string>& params) {
  StaticOptions options;
  std::string range = "percentile";
  bool has_percentile = false;
  for (const auto& [name, value] : params) {
    if (name == "to" && value != "onnx") return refused(name, "onnx", value);
    if (name == "method" && value != "static") return refused(name, "static", value);
    if (name == "type" && value != "int8") return refused(name, "int8", value);
    if (name == "range") {
      if (value != "percentile" && value != "minmax")
        return refused(name, "percentile or minmax", value);
      range = value;
    } else if (name == "percentile") {
      const char* last = value.data() + value.size();
      const auto [end, error] = std::from_chars(value.data(), last, options.percentile);
      if (error != std::errc() || end != last || !(options.percentile >= 50) ||
          options.percentile > 100)
        return refused(name, "a number from 50 to 100", value);
      has_percentile = true;
    } else if (name == "per_channel") {
      if (value != "on" && value != "off") return refused(name, "on or off", value);
      options.per_channel = value == "on";
    } else if (name != "to" && name != "method" && name != "type" && name != "calibration") {
      return refused("parameter", "to, method, type, range, percentile, per_channel or calibration",
                     name);
    }
  }
  if (range == "minmax") {
    if (has_percentile)
      return refused("percentile", "left out with range minmax", params.at("percentile"));
    options.percentile = 100;
  }
  return options;
}

Result<Artifact> quantize_static(const fs::path& model, const StaticOptions& options,
                                 const Workspace& workspace) {
  const fs::path scratch = workspace.dir / kScratch;
  STROP_CHECK(make_folder(scratch));
  auto made = quantised(model, options, scratch, workspace);
  std::error_code error;
  fs::remove_all(scratch, error);
  if (error && made) return file_error("remove", scratch, error.value());
  return made;
}

}  // namespace strop::onnxruntime
