// An ONNX model's main graph, to be rewritten: nodes and constants as they lie in the mapped file.
// What is not understood is kept as its bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/mapped_file.h"
#include "strop/result.h"

namespace strop::formats {

struct OnnxTensor {
  std::uint64_t type = 0;  // TensorProto.DataType
  std::vector<std::int64_t> shape;
  std::string_view data;     // row-major, little-endian; empty where it is kept in another form
  std::string_view encoded;  // the TensorProto, to be kept as it is

  std::uint64_t elements() const;
  // Values of an f32 tensor whose data is there.
  std::vector<float> floats() const;
};

struct OnnxGraphNode {
  std::string name, op, domain;
  std::vector<std::string> inputs, outputs;
  std::string_view encoded;  // the NodeProto
  // Of the kinds that a rewriter asks for; the others stay in `encoded`.
  std::map<std::string, std::int64_t> numbers;
  std::map<std::string, float> floats;
  std::optional<OnnxTensor> value;  // of a Constant
  bool has_subgraph = false;
};

struct OnnxPort {
  std::string name;
  std::uint64_t type = 0;    // element type; 0: no tensor, or not said
  std::string_view encoded;  // the ValueInfoProto
};

class OnnxGraph {
 public:
  // The file is checked as read_onnx checks it; graphs with functions of their own, or that train,
  // are refused: what they name cannot be followed.
  static Result<OnnxGraph> open(const std::filesystem::path& path);

  const std::vector<OnnxGraphNode>& nodes() const { return nodes_; }
  const std::map<std::string, OnnxTensor>& constants() const { return constants_; }
  const std::vector<OnnxPort>& inputs() const { return inputs_; }
  const std::vector<OnnxPort>& outputs() const { return outputs_; }
  // Version of a set of operators; nothing when the model does not name it.
  std::optional<std::int64_t> opset(const std::string& domain) const;
  const std::map<std::string, std::int64_t>& opsets() const { return opsets_; }
  std::uint64_t ir_version() const { return ir_version_; }
  // Every other field of the graph and of the model, whole: names, shapes of values, metadata.
  const std::vector<std::string_view>& graph_rest() const { return graph_rest_; }
  const std::vector<std::string_view>& model_rest() const { return model_rest_; }
  std::string_view bytes() const { return file_.bytes(); }

 private:
  explicit OnnxGraph(MappedFile file) : file_(std::move(file)) {}
  Result<void> read();
  Result<void> read_graph(std::string_view bytes);
  Result<void> read_opset(std::string_view bytes);
  Result<OnnxGraphNode> read_node(std::string_view bytes);
  Result<void> read_attribute(std::string_view bytes, OnnxGraphNode& node);
  Result<OnnxPort> read_port(std::string_view bytes);
  Result<std::pair<std::string, OnnxTensor>> read_tensor(std::string_view bytes);
  // The bytes of a tensor kept in another file of the folder.
  Result<std::string_view> external(const std::map<std::string, std::string>& place);
  Error corrupt(const std::string& field, const std::string& rule) const;

  MappedFile file_;
  std::map<std::string, MappedFile> beside_;
  std::vector<OnnxGraphNode> nodes_;
  std::map<std::string, OnnxTensor> constants_;
  std::vector<OnnxPort> inputs_, outputs_;
  std::map<std::string, std::int64_t> opsets_;
  std::uint64_t ir_version_ = 0;
  std::vector<std::string_view> graph_rest_, model_rest_;
};

// The NodeProto with other names of inputs and outputs, as many as before; all else as it was.
std::string renamed(const OnnxGraphNode& node, const std::vector<std::string>& inputs,
                    const std::vector<std::string>& outputs);

}  // namespace strop::formats
