#include "formats/onnx_graph.h"

#include <bit>
#include <charconv>
#include <cstring>

#include "formats/onnx.h"
#include "formats/protobuf.h"

namespace fs = std::filesystem;

namespace strop::formats {
namespace {

constexpr std::uint64_t kFloat = 1;
constexpr std::size_t kMostDimensions = 64;
constexpr std::uint64_t kMostElements = 1ull << 40;

std::optional<std::uint64_t> number(const std::map<std::string, std::string>& place,
                                    const char* key) {
  const auto found = place.find(key);
  if (found == place.end()) return 0;
  std::uint64_t value = 0;
  const char* last = found->second.data() + found->second.size();
  const auto [end, error] = std::from_chars(found->second.data(), last, value);
  return error == std::errc() && end == last ? std::optional(value) : std::nullopt;
}

}  // namespace

std::uint64_t OnnxTensor::elements() const {
  std::uint64_t count = 1;
  for (const std::int64_t dimension : shape) count *= static_cast<std::uint64_t>(dimension);
  return count;
}

std::vector<float> OnnxTensor::floats() const {
  std::vector<float> values(data.size() / sizeof(float));
  // An empty constant may lie nowhere, and memcpy wants an address even for no bytes.
  if (!values.empty()) std::memcpy(values.data(), data.data(), values.size() * sizeof(float));
  return values;
}

Error OnnxGraph::corrupt(const std::string& field, const std::string& rule) const {
  return Error{.code = ErrorCode::corrupt,
               .message = str("[formats] ", file_.path().string(), ": ", rule),
               .field = field};
}

std::optional<std::int64_t> OnnxGraph::opset(const std::string& domain) const {
  const auto found = opsets_.find(domain);
  return found == opsets_.end() ? std::nullopt : std::optional(found->second);
}

Result<OnnxGraph> OnnxGraph::open(const fs::path& path) {
  STROP_CHECK(read_onnx(path));
  STROP_TRY(MappedFile file, MappedFile::open(path));
  OnnxGraph graph(std::move(file));
  STROP_CHECK(graph.read());
  return graph;
}

Result<void> OnnxGraph::read() {
  Message message(file_.bytes(), file_.path().string());
  bool has_graph = false;
  for (Field field;;) {
    STROP_TRY(const bool more, message.next(field));
    if (!more) break;
    if (field.number == 7 && field.wire == 2) {
      if (has_graph) return corrupt("graph", "the graph is there twice");
      has_graph = true;
      STROP_CHECK(read_graph(field.bytes));
    } else if (field.number == 8 && field.wire == 2) {
      STROP_CHECK(read_opset(field.bytes));
    } else if (field.number == 1 && field.wire == 0) {
      ir_version_ = field.value;
    } else if (field.number == 20 || field.number == 25) {
      return Error{.code = ErrorCode::unsupported,
                   .message = str("[formats] ", file_.path().string(),
                                  ": a model with functions or training graphs is not rewritten"),
                   .field = field.number == 20 ? "training_info" : "functions"};
    } else {
      model_rest_.push_back(field.encoded);
    }
  }
  if (!has_graph) return corrupt("graph", "there is no graph");
  return {};
}

Result<void> OnnxGraph::read_opset(std::string_view bytes) {
  Message message(bytes, file_.path().string());
  std::string domain;
  std::int64_t version = 0;
  for (Field field;;) {
    STROP_TRY(const bool more, message.next(field));
    if (!more) break;
    if (field.number == 1 && field.wire == 2) domain = std::string(field.bytes);
    if (field.number == 2 && field.wire == 0) version = static_cast<std::int64_t>(field.value);
  }
  if (domain == "ai.onnx") domain.clear();
  opsets_[domain] = version;
  return {};
}

Result<void> OnnxGraph::read_graph(std::string_view bytes) {
  Message message(bytes, file_.path().string());
  for (Field field;;) {
    STROP_TRY(const bool more, message.next(field));
    if (!more) return {};
    const auto number = field.wire == 2 ? field.number : 0;
    if (number == 1) {
      STROP_TRY(OnnxGraphNode node, read_node(field.bytes));
      nodes_.push_back(std::move(node));
    } else if (number == 5) {
      STROP_TRY(auto named, read_tensor(field.bytes));
      if (!constants_.insert(std::move(named)).second)
        return corrupt("initializer", "two constants have one name");
    } else if (number == 11 || number == 12) {
      STROP_TRY(OnnxPort port, read_port(field.bytes));
      (number == 11 ? inputs_ : outputs_).push_back(std::move(port));
    } else {
      graph_rest_.push_back(field.encoded);
    }
  }
}

Result<OnnxGraphNode> OnnxGraph::read_node(std::string_view bytes) {
  OnnxGraphNode node;
  node.encoded = bytes;
  Message message(bytes, file_.path().string());
  for (Field field;;) {
    STROP_TRY(const bool more, message.next(field));
    if (!more) return node;
    if (field.wire != 2) continue;
    if (field.number == 1) node.inputs.emplace_back(field.bytes);
    if (field.number == 2) node.outputs.emplace_back(field.bytes);
    if (field.number == 3) node.name = std::string(field.bytes);
    if (field.number == 4) node.op = std::string(field.bytes);
    if (field.number == 5) STROP_CHECK(read_attribute(field.bytes, node));
    if (field.number == 7) node.domain = std::string(field.bytes);
  }
}

Result<void> OnnxGraph::read_attribute(std::string_view bytes, OnnxGraphNode& node) {
  Message message(bytes, file_.path().string());
  std::string name;
  std::optional<std::int64_t> whole;
  std::optional<float> real;
  std::optional<OnnxTensor> tensor;
  for (Field field;;) {
    STROP_TRY(const bool more, message.next(field));
    if (!more) break;
    if (field.number == 1 && field.wire == 2) name = std::string(field.bytes);
    if (field.number == 2 && field.wire == 5) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, field.bytes.data(), sizeof bits);
      real = std::bit_cast<float>(bits);
    }
    if (field.number == 3 && field.wire == 0) whole = static_cast<std::int64_t>(field.value);
    if (field.number == 5 && field.wire == 2) {
      STROP_TRY(auto named, read_tensor(field.bytes));
      tensor = std::move(named.second);
    }
    if (field.number == 6 || field.number == 11) node.has_subgraph = true;
  }
  if (whole) node.numbers[name] = *whole;
  if (real) node.floats[name] = *real;
  if (tensor && name == "value") node.value = std::move(tensor);
  return {};
}

Result<OnnxPort> OnnxGraph::read_port(std::string_view bytes) {
  OnnxPort port;
  port.encoded = bytes;
  Message message(bytes, file_.path().string());
  for (Field field;;) {
    STROP_TRY(const bool more, message.next(field));
    if (!more) return port;
    if (field.number == 1 && field.wire == 2) port.name = std::string(field.bytes);
    if (field.number != 2 || field.wire != 2) continue;
    Message type(field.bytes, file_.path().string());
    for (Field kind;;) {
      STROP_TRY(const bool has_more, type.next(kind));
      if (!has_more) break;
      if (kind.number != 1 || kind.wire != 2) continue;
      Message tensor(kind.bytes, file_.path().string());
      for (Field part;;) {
        STROP_TRY(const bool has_part, tensor.next(part));
        if (!has_part) break;
        if (part.number == 1 && part.wire == 0) port.type = part.value;
      }
    }
  }
}

Result<std::pair<std::string, OnnxTensor>> OnnxGraph::read_tensor(std::string_view bytes) {
  OnnxTensor tensor;
  tensor.encoded = bytes;
  std::string name;
  std::string_view packed;
  std::optional<std::string_view> raw;
  std::map<std::string, std::string> place;
  const auto dimension = [&](std::uint64_t value) -> Result<void> {
    if (value > kMostElements || tensor.shape.size() >= kMostDimensions)
      return corrupt("dims", str("a tensor has a dimension of ", value, ", or too many"));
    tensor.shape.push_back(static_cast<std::int64_t>(value));
    return {};
  };
  Message message(bytes, file_.path().string());
  for (Field field;;) {
    STROP_TRY(const bool more, message.next(field));
    if (!more) break;
    if (field.number == 1 && field.wire == 0) STROP_CHECK(dimension(field.value));
    if (field.number == 1 && field.wire == 2) {
      Message dimensions(field.bytes, file_.path().string());
      while (!dimensions.at_end()) {
        STROP_TRY(const std::uint64_t value, dimensions.varint());
        STROP_CHECK(dimension(value));
      }
    }
    if (field.number == 2 && field.wire == 0) tensor.type = field.value;
    if (field.number == 4 && field.wire == 2) packed = field.bytes;
    if (field.number == 8 && field.wire == 2) name = std::string(field.bytes);
    if (field.number == 9 && field.wire == 2) raw = field.bytes;
    if (field.number == 13 && field.wire == 2) {
      Message entry(field.bytes, file_.path().string());
      std::string key, value;
      for (Field part;;) {
        STROP_TRY(const bool has_more, entry.next(part));
        if (!has_more) break;
        if (part.number == 1 && part.wire == 2) key = std::string(part.bytes.substr(0, 4096));
        if (part.number == 2 && part.wire == 2) value = std::string(part.bytes.substr(0, 4096));
      }
      place[key] = value;
    }
  }
  Checked elements = 1;
  for (const std::int64_t size : tensor.shape)
    elements = elements * static_cast<std::uint64_t>(size);
  if (!elements.at_most(kMostElements))
    return corrupt("dims", str("a tensor's dimensions pass ", kMostElements, " elements"));
  if (!place.empty()) {
    STROP_TRY(tensor.data, external(place));
  } else if (raw) {
    tensor.data = *raw;
  } else if (tensor.type == kFloat) {
    tensor.data = packed;  // the wire's form of packed floats is the same
  }
  const std::uint64_t needed = *elements.value() * sizeof(float);
  if (tensor.type == kFloat && tensor.data.size() != needed) {
    if (!place.empty() && tensor.data.size() > needed)
      tensor.data = tensor.data.substr(0, needed);
    else
      tensor.data = {};  // written one number at a time: no rewriter reads it
  }
  return std::pair{std::move(name), std::move(tensor)};
}

Result<std::string_view> OnnxGraph::external(const std::map<std::string, std::string>& place) {
  const auto location = place.find("location");
  const auto offset = number(place, "offset"), length = number(place, "length");
  if (location == place.end() || !offset || !length)
    return corrupt("external_data", "external data is not placed");
  auto known = beside_.find(location->second);
  if (known == beside_.end()) {
    STROP_TRY(MappedFile file,
              MappedFile::open_inside(file_.path().parent_path(), location->second));
    known = beside_.emplace(location->second, std::move(file)).first;
  }
  const std::string_view whole = known->second.bytes();
  const std::uint64_t bytes =
      *length > 0 ? *length : whole.size() - std::min(*offset, whole.size());
  if (!(Checked(*offset) + bytes).at_most(whole.size()))
    return corrupt("external_data", "external data passes the end of its file");
  return whole.substr(*offset, bytes);
}

std::string renamed(const OnnxGraphNode& node, const std::vector<std::string>& inputs,
                    const std::vector<std::string>& outputs) {
  STROP_ASSERT(inputs.size() == node.inputs.size() && outputs.size() == node.outputs.size(),
               "a renamed node keeps the number of its inputs and outputs: ", node.name);
  std::string out;
  for (const auto& name : inputs) put_field(out, 1, name);
  for (const auto& name : outputs) put_field(out, 2, name);
  Message message(node.encoded, node.name);
  for (Field field;;) {
    const auto more = message.next(field);
    STROP_ASSERT(more, "a node that was read can be read again: ", node.name);
    if (!*more) return out;
    if (field.number != 1 && field.number != 2) out += field.encoded;
  }
}

}  // namespace strop::formats
