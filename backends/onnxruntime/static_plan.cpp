#include "static_plan.h"

#include <algorithm>
#include <array>
#include <optional>

namespace strop::onnxruntime {
namespace {

using formats::OnnxGraph;
using formats::OnnxGraphNode;
using formats::OnnxTensor;

constexpr std::uint64_t kFloat = 1;

bool is_f32_constant(const OnnxTensor* tensor) {
  return tensor != nullptr && tensor->type == kFloat && !tensor->data.empty();
}

class Planner {
 public:
  explicit Planner(const OnnxGraph& graph) : graph_(graph) {
    for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
      for (const auto& name : graph.nodes()[i].inputs) readers_[name].push_back(i);
      for (const auto& name : graph.nodes()[i].outputs) makers_[name] = i;
    }
    for (const auto& port : graph.outputs()) results_.insert(port.name);
    for (const auto& port : graph.inputs()) givens_.insert(port.name);
  }

  StaticPlan plan() {
    for (std::size_t i = 0; i < graph_.nodes().size(); ++i) add_product(i);
    for (std::size_t i = 0; i < graph_.nodes().size(); ++i) add_carrier(i);
    return std::move(plan_);
  }

 private:
  void add_product(std::size_t index) {
    const OnnxGraphNode& node = graph_.nodes()[index];
    const auto axis = weight_axis(node);
    if (!axis || !is_activation(node.inputs[0])) return;
    plan_.products.push_back({index, *axis});
    plan_.activations.insert(node.inputs[0]);
    if (node.op == "Conv") round(index);
  }

  // The axis of the weight's scales; nothing for a node that is left as it is.
  std::optional<std::size_t> weight_axis(const OnnxGraphNode& node) const {
    if (!node.domain.empty() || node.inputs.size() < 2) return {};
    const OnnxTensor* weight = constant_named(graph_, node.inputs[1]);
    if (!is_f32_constant(weight)) return {};
    const auto axis = channel_axis(node, *weight);
    if (!axis || node.inputs.size() < 3 || node.inputs[2].empty()) return axis;
    const OnnxTensor* bias = constant_named(graph_, node.inputs[2]);
    if (!is_f32_constant(bias) || bias->shape.size() != 1 || bias->shape[0] != weight->shape[*axis])
      return {};
    return axis;
  }

  // The axis of what the operator computes apart from each other; nothing for another operator.
  static std::optional<std::size_t> channel_axis(const OnnxGraphNode& node,
                                                 const OnnxTensor& weight) {
    if (node.op == "Conv" && weight.shape.size() >= 3) return 0;
    if (weight.shape.size() != 2) return {};
    if (node.op == "MatMul") return 1;
    const auto is = [&](const char* name, float value) {
      const auto found = node.floats.find(name);
      return found == node.floats.end() || found->second == value;
    };
    const auto flag = [&](const char* name) {
      const auto found = node.numbers.find(name);
      return found != node.numbers.end() && found->second != 0;
    };
    if (node.op != "Gemm" || flag("transA") || !is("alpha", 1) || !is("beta", 1)) return {};
    return flag("transB") ? 0 : 1;
  }

  bool is_activation(const std::string& name) const {
    return makers_.contains(name) || (givens_.contains(name) && !graph_.constants().contains(name));
  }

  // What follows the node at once and can be had for nothing while rounding: a lower and an upper
  // bound.
  void round(std::size_t index) {
    std::string name = graph_.nodes()[index].outputs[0];
    const auto reader = readers_.find(name);
    if (!results_.contains(name) && reader != readers_.end() && reader->second.size() == 1) {
      const OnnxGraphNode& next = graph_.nodes()[reader->second[0]];
      if (next.domain.empty() && (next.op == "Relu" || next.op == "Clip")) name = next.outputs[0];
    }
    plan_.activations.insert(name);
    plan_.rounded.insert(name);
  }

  void add_carrier(std::size_t index) {
    const OnnxGraphNode& node = graph_.nodes()[index];
    if (!node.domain.empty() || node.inputs.empty()) return;
    const auto is_rounded = [&](const std::string& name) { return plan_.rounded.contains(name); };
    const bool adds =
        node.op == "Add" && std::all_of(node.inputs.begin(), node.inputs.end(), is_rounded);
    if (adds || (node.op == "GlobalAveragePool" && is_rounded(node.inputs[0]))) {
      plan_.carriers.insert(index);
      round(index);
    } else if (node.op == "MaxPool" && node.outputs.size() == 1 && is_rounded(node.inputs[0])) {
      plan_.carriers.insert(index);
      plan_.rounded.insert(node.outputs[0]);
      plan_.activations.erase(node.outputs[0]);
      plan_.same_values[node.outputs[0]] = node.inputs[0];
    }
  }

  const OnnxGraph& graph_;
  StaticPlan plan_;
  std::map<std::string, std::vector<std::size_t>> readers_;
  std::map<std::string, std::size_t> makers_;
  std::set<std::string> results_, givens_;
};

}  // namespace

const OnnxTensor* constant_named(const OnnxGraph& graph, const std::string& name) {
  const auto found = graph.constants().find(name);
  return found == graph.constants().end() ? nullptr : &found->second;
}

StaticPlan plan_static(const OnnxGraph& graph) { return Planner(graph).plan(); }

}  // namespace strop::onnxruntime
