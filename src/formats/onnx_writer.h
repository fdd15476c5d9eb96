// Writes an ONNX model: a small graph, and weights beside it in one file of external data, which is
// filled in place, tensor by tensor. Fields and their numbers: onnx.proto, IR version 9.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/files.h"
#include "strop/result.h"

namespace strop::formats {

// TensorProto.DataType.
enum class OnnxType : std::uint32_t { f32 = 1, u8 = 2, i8 = 3, i32 = 6, i64 = 7, f16 = 10 };

std::uint64_t element_bytes(OnnxType type);

struct OnnxAttribute {
  std::string name;
  std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>> value;
};

struct OnnxNode {
  std::string op;
  std::vector<std::string> inputs, outputs;  // an empty name is one left out
  std::vector<OnnxAttribute> attributes = {};
  std::string domain = {};
};

// A size, or the name of one that is known when the model runs.
using OnnxDimension = std::variant<std::int64_t, std::string>;

struct OnnxValue {
  std::string name;
  OnnxType type = OnnxType::f32;
  std::vector<OnnxDimension> shape;
};

class OnnxWriter {
 public:
  // Index of a tensor whose bytes are appended.
  using Slot = std::size_t;

  // Starts PATH.data aside of its final name; finish() makes both files appear.
  Result<void> begin(const std::filesystem::path& path);

  // Domain and version of a set of operators that the nodes use.
  void opset(std::string_view domain, std::int64_t version);
  // Nodes are kept in this order, which must be one in which they can run.
  void add(const OnnxNode& node);
  void input(const OnnxValue& value);
  void output(const OnnxValue& value);
  // A tensor in the graph itself, for what shapes depend on. One with the name of an input is that
  // input's default.
  void constant(std::string_view name, OnnxType type, const std::vector<std::int64_t>& shape,
                std::string_view bytes);
  // Declares a tensor in the external file. Its bytes come in order, but tensors may take turns.
  Slot tensor(std::string_view name, OnnxType type, const std::vector<std::int64_t>& shape);
  // A second tensor over the same bytes.
  void alias(std::string_view name, OnnxType type, const std::vector<std::int64_t>& shape,
             Slot slot);
  Result<void> append(Slot slot, std::string_view bytes);

  // Parts of another model, as its bytes: see OnnxGraph. A constant given with its bytes goes where
  // it belongs by its size.
  void keep_ir_version(std::uint64_t version);
  void keep_node(std::string_view encoded);
  void keep_constant(std::string_view encoded);
  Result<void> keep_constant(std::string_view name, std::uint64_t type,
                             const std::vector<std::int64_t>& shape, std::string_view bytes);
  void keep_input(std::string_view encoded);
  void keep_output(std::string_view encoded);
  void keep_of_graph(std::string_view field);
  void keep_of_model(std::string_view field);

  // Fails with io when a tensor's bytes do not match its shape, with unsupported when the graph
  // passes the 2 GiB of a protobuf message.
  Result<void> finish();
  ~OnnxWriter();

 private:
  struct Range {
    std::uint64_t offset = 0, bytes = 0, appended = 0;
    std::string name;
  };
  Slot place(std::string_view name, std::uint64_t type, const std::vector<std::int64_t>& shape,
             std::uint64_t bytes);
  void refer(std::string_view name, std::uint64_t type, const std::vector<std::int64_t>& shape,
             const Range& range);
  std::string model() const;
  std::vector<std::pair<std::string, std::int64_t>> opsets_;
  std::string nodes_, initializers_, inputs_, outputs_, graph_rest_, model_rest_;
  std::uint64_t ir_version_ = 9;
  std::vector<Range> ranges_;
  std::uint64_t data_bytes_ = 0;
  std::size_t node_count_ = 0;
  std::filesystem::path path_, data_, aside_;
  Descriptor fd_;
};

}  // namespace strop::formats
