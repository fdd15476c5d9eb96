#include "formats/onnx.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>

#include "core/utf8.h"
#include "formats/checked.h"
#include "formats/mapped_file.h"
#include "formats/ports.h"
#include "formats/protobuf.h"

namespace fs = std::filesystem;

namespace strop::formats {
namespace {

constexpr int kMaxDepth = 8;  // subgraphs in subgraphs
constexpr std::uint64_t kMaxNodes = 1'000'000;
constexpr std::uint64_t kMaxElements = 1ull << 40;
constexpr std::size_t kMaxPorts = 1024;
constexpr std::size_t kMaxRank = 16;
constexpr std::size_t kMaxPortName = 256;

struct Element {
  const char* name;
  std::uint64_t bits;
};

// TensorProto.DataType of onnx.proto.
Element element(std::uint64_t type) {
  switch (type) {
    case 1:
      return {"f32", 32};
    case 2:
      return {"u8", 8};
    case 3:
      return {"i8", 8};
    case 4:
      return {"u16", 16};
    case 5:
      return {"i16", 16};
    case 6:
      return {"i32", 32};
    case 7:
      return {"i64", 64};
    case 9:
      return {"bool", 8};
    case 10:
      return {"f16", 16};
    case 11:
      return {"f64", 64};
    case 12:
      return {"u32", 32};
    case 13:
      return {"u64", 64};
    case 16:
      return {"bf16", 16};
    case 21:
      return {"u4", 4};
    case 22:
      return {"i4", 4};
    default:
      return {"other", 8};
  }
}

class Walk {
 public:
  Walk(const MappedFile& file) : what_(file.path().string()), folder_(file.path().parent_path()) {}

  // Every place of a ModelProto where a tensor can hide: the graph, training graphs, functions.
  Result<void> model(std::string_view bytes) {
    Message message(bytes, what_);
    bool has_graph = false, has_version = false;
    for (Field field;;) {
      STROP_TRY(const bool more, message.next(field));
      if (!more) break;
      if (field.number == 1 && field.wire == 0) has_version = true;
      if (field.number == 2 && field.wire == 2)
        producer_ = repaired_utf8(field.bytes.substr(0, 100));
      if (field.number == 7 && field.wire == 2) {
        has_graph = true;
        STROP_CHECK(graph(field.bytes, 0));
        STROP_CHECK(ports(field.bytes));
      }
      if (field.number == 20 && field.wire == 2) STROP_CHECK(training(field.bytes));
      if (field.number == 25 && field.wire == 2) STROP_CHECK(function(field.bytes));
    }
    STROP_CHECK(check_overlaps());
    if (!has_graph || !has_version)
      return Error{.code = ErrorCode::corrupt,
                   .message = str("[formats] ", what_,
                                  " is not an ONNX model: it has no graph or no IR version"),
                   .field = "graph"};
    return {};
  }

  Model result(const fs::path& path) const {
    Model model{.path = path.string(),
                .format = "onnx",
                .architecture = "onnx graph",
                .kind = kind_of_graph(inputs_, outputs_)};
    model.inputs = inputs_;
    model.outputs = outputs_;
    model.parameter_count = elements_;
    model.weight_bytes = bytes_;
    model.provenance = producer_;
    std::uint64_t most = 0;
    for (const auto& [type, bytes] : by_type_) {
      if (bytes > most) most = bytes, model.precision = type;
    }
    return model;
  }

  std::vector<std::string> external_files() const {
    std::vector<std::string> names;
    for (const auto& [name, file] : external_) names.push_back(name);
    return names;
  }

 private:
  // What the main graph takes and gives. An input that has an initializer's name is only a weight
  // with a default, as older files write them.
  Result<void> ports(std::string_view bytes) {
    inputs_.clear(), outputs_.clear();  // of a graph that is there twice, the last counts
    std::set<std::string, std::less<>> initializers;
    Message message(bytes, what_);
    for (Field field;;) {
      STROP_TRY(const bool more, message.next(field));
      if (!more) break;
      if (field.wire != 2) continue;
      if (field.number == 5) STROP_CHECK(tensor_name(field.bytes, initializers));
      if (field.number == 15) STROP_CHECK(sparse_name(field.bytes, initializers));
      if (field.number == 11) STROP_CHECK(port(field.bytes, inputs_));
      if (field.number == 12) STROP_CHECK(port(field.bytes, outputs_));
    }
    std::erase_if(inputs_, [&](const Port& input) { return initializers.contains(input.name); });
    return {};
  }

  Result<void> tensor_name(std::string_view bytes, std::set<std::string, std::less<>>& names) {
    Message message(bytes, what_);
    for (Field field;;) {
      STROP_TRY(const bool more, message.next(field));
      if (!more) return {};
      if (field.number == 8 && field.wire == 2) names.emplace(field.bytes.substr(0, kMaxPortName));
    }
  }

  Result<void> sparse_name(std::string_view bytes, std::set<std::string, std::less<>>& names) {
    Message message(bytes, what_);
    for (Field field;;) {
      STROP_TRY(const bool more, message.next(field));
      if (!more) return {};
      if (field.number == 1 && field.wire == 2) STROP_CHECK(tensor_name(field.bytes, names));
    }
  }

  // A ValueInfoProto: a name and a type.
  Result<void> port(std::string_view bytes, std::vector<Port>& ports) {
    Port port{.type = "other", .any_rank = true};
    Message message(bytes, what_);
    for (Field field;;) {
      STROP_TRY(const bool more, message.next(field));
      if (!more) break;
      if (field.wire != 2) continue;
      if (field.number == 1) {
        if (field.bytes.size() > kMaxPortName || invalid_utf8(field.bytes))
          return corrupt("name", str("the name of an input or output must be UTF-8 of at most ",
                                     kMaxPortName, " bytes"));
        port.name = std::string(field.bytes);
      }
      if (field.number == 2) STROP_CHECK(port_type(field.bytes, port));
    }
    if (port.name.empty()) return corrupt("name", "an input or output has no name");
    if (ports.size() == kMaxPorts)
      return corrupt("input", str("more than ", kMaxPorts, " inputs or outputs"));
    for (const Port& other : ports) {
      if (other.name == port.name)
        return corrupt("name", str("two inputs or outputs are named ", port.name));
    }
    ports.push_back(std::move(port));
    return {};
  }

  static std::string port_word(std::uint64_t type) {
    return type == 8 ? "string" : type == 9 ? "boolean" : element(type).name;
  }

  // A TypeProto; all but tensors (sequences, maps, ...) stay "other".
  Result<void> port_type(std::string_view bytes, Port& port) {
    Message message(bytes, what_);
    for (Field field;;) {
      STROP_TRY(const bool more, message.next(field));
      if (!more) return {};
      if (field.number != 1 || field.wire != 2) continue;
      Message tensor(field.bytes, what_);
      for (Field part;;) {
        STROP_TRY(const bool parts, tensor.next(part));
        if (!parts) break;
        if (part.number == 1 && part.wire == 0) port.type = port_word(part.value);
        if (part.number == 2 && part.wire == 2) STROP_CHECK(port_shape(part.bytes, port));
      }
    }
  }

  Result<void> port_shape(std::string_view bytes, Port& port) {
    port.any_rank = false;
    port.shape.clear();
    Message message(bytes, what_);
    for (Field field;;) {
      STROP_TRY(const bool more, message.next(field));
      if (!more) return {};
      if (field.number != 1 || field.wire != 2) continue;
      if (port.shape.size() == kMaxRank)
        return corrupt("shape", str(port.name, " has more than ", kMaxRank, " dimensions"));
      STROP_TRY(const std::int64_t dimension, port_dimension(field.bytes, port.name));
      port.shape.push_back(dimension);
    }
  }

  // A number, or a name or nothing for any size; some writers say -1 for that.
  Result<std::int64_t> port_dimension(std::string_view bytes, const std::string& name) {
    std::int64_t dimension = -1;
    Message message(bytes, what_);
    for (Field field;;) {
      STROP_TRY(const bool more, message.next(field));
      if (!more) return dimension;
      if (field.number != 1 || field.wire != 0) continue;
      const auto value = static_cast<std::int64_t>(field.value);
      if (value > static_cast<std::int64_t>(kMaxElements))
        return corrupt("shape", str("a dimension of ", name, " passes ", kMaxElements));
      dimension = std::max<std::int64_t>(value, -1);
    }
  }

  Result<void> graph(std::string_view bytes, int depth) {
    if (depth > kMaxDepth)
      return Error{.code = ErrorCode::corrupt,
                   .message = str("[formats] ", what_, ": subgraphs nest deeper than ", kMaxDepth),
                   .field = "graph"};
    Message message(bytes, what_);
    for (Field field;;) {
      STROP_TRY(const bool more, message.next(field));
      if (!more) return {};
      if (field.wire != 2) continue;
      if (field.number == 1) STROP_CHECK(node(field.bytes, depth));
      if (field.number == 5) STROP_CHECK(tensor(field.bytes));
      if (field.number == 15) STROP_CHECK(sparse_tensor(field.bytes));
    }
  }

  Result<void> training(std::string_view bytes) {
    Message message(bytes, what_);
    for (Field field;;) {
      STROP_TRY(const bool more, message.next(field));
      if (!more) return {};
      if (field.wire == 2 && (field.number == 1 || field.number == 2))
        STROP_CHECK(graph(field.bytes, 0));
    }
  }

  Result<void> function(std::string_view bytes) {
    Message message(bytes, what_);
    for (Field field;;) {
      STROP_TRY(const bool more, message.next(field));
      if (!more) return {};
      if (field.wire != 2) continue;
      if (field.number == 7) STROP_CHECK(node(field.bytes, 0));
      if (field.number == 11) STROP_CHECK(attribute(field.bytes, 0));
    }
  }

  Result<void> node(std::string_view bytes, int depth) {
    if (++nodes_ > kMaxNodes)
      return Error{.code = ErrorCode::corrupt,
                   .message = str("[formats] ", what_, ": more than ", kMaxNodes, " nodes"),
                   .field = "node"};
    Message message(bytes, what_);
    for (Field field;;) {
      STROP_TRY(const bool more, message.next(field));
      if (!more) return {};
      if (field.number == 5 && field.wire == 2) STROP_CHECK(attribute(field.bytes, depth));
    }
  }

  // Tensors and subgraphs hide in attributes too.
  Result<void> attribute(std::string_view bytes, int depth) {
    Message message(bytes, what_);
    for (Field field;;) {
      STROP_TRY(const bool more, message.next(field));
      if (!more) return {};
      if (field.wire != 2) continue;
      if (field.number == 5 || field.number == 10) STROP_CHECK(tensor(field.bytes));
      if (field.number == 6 || field.number == 11) STROP_CHECK(graph(field.bytes, depth + 1));
      if (field.number == 22 || field.number == 23) STROP_CHECK(sparse_tensor(field.bytes));
    }
  }

  Result<void> sparse_tensor(std::string_view bytes) {
    Message message(bytes, what_);
    for (Field field;;) {
      STROP_TRY(const bool more, message.next(field));
      if (!more) return {};
      if (field.wire == 2 && (field.number == 1 || field.number == 2))
        STROP_CHECK(tensor(field.bytes));
    }
  }

  Result<void> tensor(std::string_view bytes) {
    Message message(bytes, what_);
    Checked elements = 1;
    std::uint64_t type = 0, typed_bytes = 0;
    std::optional<std::uint64_t> raw_bytes;
    bool external = false;
    std::map<std::string, std::string> place;
    for (Field field;;) {
      STROP_TRY(const bool more, message.next(field));
      if (!more) break;
      if (field.number == 1 && field.wire == 0) elements = elements * field.value;
      if (field.number == 1 && field.wire == 2) {
        STROP_TRY(elements, product(field.bytes, elements));
      }
      if (field.number == 2 && field.wire == 0) type = field.value;
      if (field.number == 9 && field.wire == 2) raw_bytes = field.bytes.size();
      if (is_typed_data(field.number)) typed_bytes += field.wire == 0 ? 1 : field.bytes.size();
      if (field.number == 13 && field.wire == 2) STROP_CHECK(entry(field.bytes, place));
      if (field.number == 14 && field.wire == 0) external = field.value == 1;
    }
    if (!elements.at_most(kMaxElements))
      return corrupt("dims", str("a tensor's dimensions pass ", kMaxElements, " elements"));
    const std::uint64_t count = *elements.value();
    const std::uint64_t needed = (count * element(type).bits + 7) / 8;
    if (external || !place.empty()) {
      STROP_TRY(const bool first, external_data(place, needed));
      if (!first) return {};  // another view of bytes that are counted already
    } else if (raw_bytes) {
      if (is_known(type) && *raw_bytes != needed)
        return corrupt("raw_data", str("a tensor of ", count, " ", element(type).name, " has ",
                                       *raw_bytes, " bytes of data"));
    } else if (count > 2 * typed_bytes) {
      // An element takes at least half a byte, whatever its type.
      return corrupt("dims",
                     str("a tensor of ", count, " elements has ", typed_bytes, " bytes of data"));
    }
    elements_ += count;
    bytes_ += needed;
    by_type_[element(type).name] += needed;
    return {};
  }

  // float_data, int32_data, string_data, int64_data, double_data, uint64_data.
  static bool is_typed_data(std::uint32_t field) {
    return (field >= 4 && field <= 7) || field == 10 || field == 11;
  }
  static bool is_known(std::uint64_t type) {
    return element(type).name != std::string_view("other");
  }

  Error corrupt(const std::string& field, const std::string& rule) const {
    return Error{.code = ErrorCode::corrupt,
                 .message = str("[formats] ", what_, ": ", rule),
                 .field = field};
  }

  // Dimensions in packed form.
  Result<Checked> product(std::string_view packed, Checked elements) {
    std::uint64_t value = 0;
    unsigned shift = 0;
    for (const char c : packed) {
      const auto byte = static_cast<unsigned char>(c);
      if (shift > 63)
        return Error{.code = ErrorCode::corrupt,
                     .message = str("[formats] ", what_, ": a dimension is longer than ten bytes"),
                     .field = "dims"};
      value |= std::uint64_t{byte & 0x7fu} << shift;
      shift += 7;
      if (byte & 0x80) continue;
      elements = elements * value;
      value = 0;
      shift = 0;
    }
    if (shift != 0)
      return Error{.code = ErrorCode::corrupt,
                   .message = str("[formats] ", what_, ": a dimension is cut off"),
                   .field = "dims"};
    return elements;
  }

  Result<void> entry(std::string_view bytes, std::map<std::string, std::string>& place) {
    Message message(bytes, what_);
    std::string key, value;
    for (Field field;;) {
      STROP_TRY(const bool more, message.next(field));
      if (!more) break;
      if (field.number == 1 && field.wire == 2) key = std::string(field.bytes.substr(0, 4096));
      if (field.number == 2 && field.wire == 2) value = std::string(field.bytes.substr(0, 4096));
    }
    place[key] = value;
    return {};
  }

  // True when no tensor before it has the same range.
  Result<bool> external_data(const std::map<std::string, std::string>& place,
                             std::uint64_t needed) {
    const auto location = place.find("location");
    const auto refuse = [&](const std::string& rule) {
      return Error{.code = ErrorCode::invalid_input,
                   .message = str("[formats] ", what_, ": external data ", rule),
                   .field = "external_data",
                   .value = location == place.end() ? "" : location->second};
    };
    if (location == place.end() || location->second.empty()) return refuse("has no location");
    const fs::path path = location->second;
    if (path.is_absolute()) return refuse("must be in the model's folder");
    for (const fs::path& part : path) {
      if (part == "..") return refuse("must be in the model's folder");
    }
    auto known = external_.find(location->second);
    if (known == external_.end()) {
      STROP_TRY(const MappedFile file, MappedFile::open_inside(folder_, location->second));
      if (file.has_other_names()) return refuse("must not be a hard link to another file");
      known =
          external_
              .emplace(location->second, ExternalFile{.bytes = file.bytes().size(), .ranges = {}})
              .first;
    }
    const auto offset = number(place, "offset", 0), length = number(place, "length", needed);
    if (!offset || !length || !(Checked(*offset) + *length).at_most(known->second.bytes))
      return refuse("passes the end of its file");
    if (*length < needed)
      return refuse(str("has ", *length, " bytes for a tensor that needs ", needed));
    return known->second.ranges.emplace(*offset, *offset + *length).second;
  }

  static std::optional<std::uint64_t> number(const std::map<std::string, std::string>& place,
                                             const char* key, std::uint64_t absent) {
    const auto found = place.find(key);
    if (found == place.end()) return absent;
    const char* last = found->second.data() + found->second.size();
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(found->second.data(), last, value);
    return error == std::errc() && end == last ? std::optional(value) : std::nullopt;
  }

  // Two tensors may share one range, but not overlap.
  Result<void> check_overlaps() {
    for (const auto& [name, file] : external_) {
      std::uint64_t end = 0;
      for (const auto& [first, last] : file.ranges) {
        if (first < end)
          return corrupt("external_data", str("two tensors overlap in ", name, " at byte ", first));
        end = last;
      }
    }
    return {};
  }

  struct ExternalFile {
    std::uint64_t bytes = 0;
    std::set<std::pair<std::uint64_t, std::uint64_t>> ranges;
  };
  std::string what_;
  fs::path folder_;
  std::string producer_;
  std::vector<Port> inputs_, outputs_;
  std::map<std::string, ExternalFile> external_;
  std::uint64_t nodes_ = 0, elements_ = 0, bytes_ = 0;
  std::map<std::string, std::uint64_t> by_type_;
};

}  // namespace

Result<Model> read_onnx(const fs::path& path) {
  STROP_TRY(const MappedFile file, MappedFile::open(path));
  Walk walk(file);
  STROP_CHECK(walk.model(file.bytes()));
  return walk.result(path);
}

Result<std::vector<std::string>> onnx_external_files(const fs::path& path) {
  STROP_TRY(const MappedFile file, MappedFile::open(path));
  Walk walk(file);
  STROP_CHECK(walk.model(file.bytes()));
  return walk.external_files();
}

Result<std::vector<std::string>> onnx_domains(const fs::path& path) {
  STROP_TRY(const MappedFile file, MappedFile::open(path));
  Walk walk(file);
  STROP_CHECK(walk.model(file.bytes()));
  constexpr std::uint32_t kOperatorSet = 8, kDomain = 1;
  std::vector<std::string> domains;
  Message model(file.bytes(), path.string());
  Field field;
  while (true) {
    STROP_TRY(const bool more, model.next(field));
    if (!more) return domains;
    if (field.number != kOperatorSet || field.wire != 2) continue;
    Message set(field.bytes, path.string());
    std::string domain;
    Field inner;
    while (true) {
      STROP_TRY(const bool goes_on, set.next(inner));
      if (!goes_on) break;
      if (inner.number == kDomain && inner.wire == 2) domain = std::string(inner.bytes);
    }
    domains.push_back(std::move(domain));
  }
}

}  // namespace strop::formats
