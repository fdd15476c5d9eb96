// Which tensors of a graph become int8, decided from the graph alone.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "formats/onnx_graph.h"

namespace strop::onnxruntime {

// An operator whose product is computed in int8.
struct Product {
  std::size_t node = 0;
  std::size_t axis = 0;  // of the weight: one scale per index along it
};

struct StaticPlan {
  std::vector<Product> products;
  // Nodes that add or pool in int8, because all that they read is int8.
  std::set<std::size_t> carriers;
  // Activations with a range of their own.
  std::set<std::string> activations;
  // Activations that every reader sees rounded: what a convolution, or a carrier, gives.
  std::set<std::string> rounded;
  // Activations that hold nothing but values of another: they share its range.
  std::map<std::string, std::string> same_values;
};

// Convolutions, Gemm and MatMul with constant weights in f32; of what lies between them, additions
// and pools. Nothing else is touched.
StaticPlan plan_static(const formats::OnnxGraph& graph);

// The constant of that name; nullptr: there is none.
const formats::OnnxTensor* constant_named(const formats::OnnxGraph& graph, const std::string& name);

}  // namespace strop::onnxruntime
