#include "formats/openvino_ir.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <vector>

#include "core/utf8.h"
#include "formats/checked.h"
#include "formats/mapped_file.h"
#include "formats/ports.h"

namespace fs = std::filesystem;

namespace strop::formats {
namespace {

constexpr std::size_t kMaxDepth = 16;  // enough for loops in loops in loops
constexpr std::uint64_t kMaxLayers = 1'000'000;
constexpr std::size_t kMaxPorts = 1024;
constexpr std::size_t kMaxRank = 16;
constexpr std::size_t kMaxPortName = 256;
constexpr std::size_t kMaxTypeName = 16;
constexpr std::int64_t kMaxDimension = std::int64_t{1} << 40;

using Attributes = std::map<std::string_view, std::string_view>;

// The smallest XML that an IR needs: elements and attributes; text between them is skipped.
class XmlWalk {
 public:
  XmlWalk(std::string_view text, std::string what) : text_(text), what_(std::move(what)) {}

  // In order: open(depth, name, attributes) for each element, the outermost at depth 0, and
  // close(depth, name, text) at its end, with the text since the tag before.
  template <class Open, class Close>
  Result<void> walk(const Open& open, const Close& close) {
    std::vector<std::string_view> open_elements;
    while (true) {
      const std::size_t begin = text_.find('<', at_);
      if (begin == std::string_view::npos) break;
      const std::string_view text = text_.substr(at_, begin - at_);
      at_ = begin + 1;
      if (rest().starts_with("!--")) {
        STROP_CHECK(skip_to("-->"));
      } else if (rest().starts_with("?")) {
        STROP_CHECK(skip_to("?>"));
      } else if (rest().starts_with("!")) {
        return corrupt("must not have a DTD or CDATA");
      } else if (rest().starts_with("/")) {
        ++at_;
        if (open_elements.empty() || name() != open_elements.back())
          return corrupt("closes an element that is not open");
        const std::string_view closed = open_elements.back();
        open_elements.pop_back();
        skip_space();
        if (!rest().starts_with(">")) return corrupt("has a malformed end of an element");
        ++at_;
        STROP_CHECK(close(open_elements.size(), closed, text));
      } else {
        const std::size_t element_begin = at_;
        const std::size_t depth = open_elements.size();
        STROP_TRY(const bool closed, element([&](std::string_view name, const Attributes& all) {
                    return open(depth, name, all);
                  }));
        if (closed) STROP_CHECK(close(depth, name_at(element_begin), std::string_view()));
        if (closed) continue;
        if (open_elements.size() == kMaxDepth) return corrupt(str("nests deeper than ", kMaxDepth));
        open_elements.push_back(name_at(element_begin));
      }
    }
    if (!open_elements.empty()) return corrupt("ends inside of an element");
    return {};
  }

  Error corrupt(const std::string& rule) const {
    return Error{.code = ErrorCode::corrupt,
                 .message = str("[formats] ", what_, " at byte ", at_, " ", rule),
                 .field = "xml",
                 .offset = at_};
  }

 private:
  std::string_view rest() const { return text_.substr(at_); }

  Result<void> skip_to(std::string_view end) {
    const std::size_t found = text_.find(end, at_);
    if (found == std::string_view::npos) return corrupt("is cut off");
    at_ = found + end.size();
    return {};
  }

  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }

  static bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ':';
  }

  std::string_view name_at(std::size_t begin) const {
    std::size_t end = begin;
    while (end < text_.size() && is_name_character(text_[end])) ++end;
    return text_.substr(begin, end - begin);
  }

  std::string_view name() {
    const std::string_view found = name_at(at_);
    at_ += found.size();
    return found;
  }

  template <class Open>
  Result<bool> element(const Open& open) {
    const std::string_view element_name = name();
    if (element_name.empty()) return corrupt("has an element without a name");
    Attributes attributes;
    while (true) {
      skip_space();
      if (rest().starts_with("/>") || rest().starts_with(">")) {
        const bool closed = text_[at_] == '/';
        at_ += closed ? 2 : 1;
        STROP_CHECK(open(element_name, attributes));
        return closed;
      }
      const std::string_view key = name();
      if (key.empty() || !rest().starts_with("=")) return corrupt("has a malformed attribute");
      ++at_;
      if (at_ >= text_.size() || (text_[at_] != '"' && text_[at_] != '\''))
        return corrupt("has an attribute without quotes");
      const char quote = text_[at_++];
      const std::size_t end = text_.find(quote, at_);
      if (end == std::string_view::npos) return corrupt("is cut off");
      if (!attributes.emplace(key, text_.substr(at_, end - at_)).second)
        return corrupt(str("has the attribute ", key, " twice"));
      at_ = end + 1;
    }
  }

  std::string_view text_;
  std::string what_;
  std::size_t at_ = 0;
};

std::optional<std::uint64_t> number(const Attributes& attributes, std::string_view key) {
  const auto found = attributes.find(key);
  if (found == attributes.end()) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
  return error == std::errc() && end == found->second.data() + found->second.size()
             ? std::optional(value)
             : std::nullopt;
}

std::string_view attribute(const Attributes& attributes, std::string_view key) {
  const auto found = attributes.find(key);
  return found == attributes.end() ? std::string_view() : found->second;
}

// As a part of reports, whatever bytes it has.
std::string type_word(std::string_view text) { return repaired_utf8(text.substr(0, kMaxTypeName)); }

// The five entities that XML has without a DTD.
std::string unescaped(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, char>, 5> kEntities{
      {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}}};
  std::string plain;
  while (!text.empty()) {
    const auto found = std::find_if(kEntities.begin(), kEntities.end(), [&](const auto& entity) {
      return text.starts_with(entity.first);
    });
    plain += found == kEntities.end() ? text[0] : found->second;
    text.remove_prefix(found == kEntities.end() ? 1 : found->first.size());
  }
  return plain;
}

// Collects the graph's own inputs (Parameter) and outputs (Result); those of the bodies of loops
// lie deeper. A port has the first of its tensor's names, else that of the layer that makes it.
class PortWalk {
 public:
  explicit PortWalk(const XmlWalk& xml) : xml_(xml) {}

  Result<void> open(std::size_t depth, std::string_view name, const Attributes& attributes) {
    if (depth == 2 && name == "layer") {
      layer_ = {.id = std::string(attribute(attributes, "id")),
                .name = unescaped(attribute(attributes, "name")),
                .type = std::string(attribute(attributes, "type"))};
      names_[{layer_.id, ""}] = layer_.name;
      if (layer_.type == "Result")
        layer_.port.name = first_name(attribute(attributes, "output_names"));
    }
    if (depth == 2 && name == "edge")
      sources_.emplace(attribute(attributes, "to-layer"),
                       std::pair(std::string(attribute(attributes, "from-layer")),
                                 std::string(attribute(attributes, "from-port"))));
    if (depth == 3 && name == "data" && layer_.type == "Parameter") {
      layer_.port.type = type_word(attribute(attributes, "element_type"));
      return read_shape(attribute(attributes, "shape"));
    }
    if (depth == 4 && name == "port") {
      const std::string tensor = first_name(attribute(attributes, "names"));
      if (!tensor.empty()) names_[{layer_.id, std::string(attribute(attributes, "id"))}] = tensor;
      if (layer_.type == "Parameter" && layer_.port.name.empty()) layer_.port.name = tensor;
      if (layer_.type == "Result") {
        layer_.port.type = precision_word(attribute(attributes, "precision"));
        layer_.port.any_rank = false;
      }
    }
    return {};
  }

  Result<void> close(std::size_t depth, std::string_view name, std::string_view text) {
    if (depth == 5 && name == "dim" && layer_.type == "Result") return add_dimension(text);
    if (depth != 2 || name != "layer") return {};
    if (layer_.type == "Parameter") {
      if (layer_.port.name.empty()) layer_.port.name = layer_.name;
      STROP_CHECK(add(layer_.port, inputs));
    }
    if (layer_.type == "Result") {
      results_.push_back(layer_.id);
      STROP_CHECK(add(layer_.port, outputs));
    }
    return {};
  }

  // The outputs are named by what feeds them, which may come after them in the file.
  Result<void> name_outputs() {
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (!outputs[i].name.empty()) continue;
      const auto source = sources_.find(results_[i]);
      if (source == sources_.end()) continue;
      const auto& [layer, port] = source->second;
      const auto tensor = names_.find({layer, port}), own = names_.find({layer, ""});
      if (tensor != names_.end()) outputs[i].name = tensor->second;
      if (outputs[i].name.empty() && own != names_.end()) outputs[i].name = own->second;
      STROP_CHECK(check_name(outputs[i].name));
    }
    return {};
  }

  std::vector<Port> inputs, outputs;

 private:
  struct Layer {
    std::string id, name, type;
    Port port = {.any_rank = true};
  };

  Result<void> add(const Port& port, std::vector<Port>& ports) {
    if (ports.size() == kMaxPorts)
      return xml_.corrupt(str("has more than ", kMaxPorts, " inputs or outputs"));
    STROP_CHECK(check_name(port.name));
    ports.push_back(port);
    return {};
  }

  Result<void> check_name(const std::string& name) const {
    if (name.size() <= kMaxPortName && !invalid_utf8(name)) return {};
    return xml_.corrupt(
        str("has an input or output whose name is not UTF-8 of at most ", kMaxPortName, " bytes"));
  }

  // "a,b", where a comma of a name itself is escaped.
  static std::string first_name(std::string_view names) {
    std::string first;
    for (std::size_t i = 0; i < names.size() && names[i] != ','; ++i) {
      if (names[i] == '\\' && i + 1 < names.size() && names[i + 1] == ',') ++i;
      first += names[i];
    }
    return unescaped(first);
  }

  // FP32 of a port, f32 of a layer.
  static std::string precision_word(std::string_view precision) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 13> kWords{
        {{"FP32", "f32"},
         {"FP16", "f16"},
         {"BF16", "bf16"},
         {"FP64", "f64"},
         {"I64", "i64"},
         {"I32", "i32"},
         {"I16", "i16"},
         {"I8", "i8"},
         {"U8", "u8"},
         {"U16", "u16"},
         {"U32", "u32"},
         {"U64", "u64"},
         {"BOOL", "boolean"}}};
    for (const auto& [word, ours] : kWords) {
      if (word == precision) return std::string(ours);
    }
    return "other";
  }

  // "1,3,?,224..448"; "..." and nothing at all in a shape of any rank.
  Result<void> read_shape(std::string_view shape) {
    layer_.port.any_rank = shape == "...";
    if (shape.empty() || layer_.port.any_rank) return {};
    for (std::size_t begin = 0; begin <= shape.size();) {
      const std::size_t end = std::min(shape.find(',', begin), shape.size());
      STROP_CHECK(add_dimension(shape.substr(begin, end - begin)));
      begin = end + 1;
    }
    return {};
  }

  Result<void> add_dimension(std::string_view text) {
    if (layer_.port.shape.size() == kMaxRank)
      return xml_.corrupt(str("has an input or output of more than ", kMaxRank, " dimensions"));
    std::int64_t value = -1;
    const bool any = text == "?" || text == "-1" || text.find("..") != std::string_view::npos;
    const char* const end = text.data() + text.size();
    if (!any) {
      const auto [last, error] = std::from_chars(text.data(), end, value);
      if (error != std::errc() || last != end || value < 0 || value > kMaxDimension)
        return xml_.corrupt("has a dimension that is no number");
    }
    layer_.port.shape.push_back(value);
    return {};
  }

  const XmlWalk& xml_;
  Layer layer_;
  std::map<std::pair<std::string, std::string>, std::string> names_;  // by layer and its port
  std::map<std::string, std::pair<std::string, std::string>, std::less<>> sources_;
  std::vector<std::string> results_;  // layers of the outputs
};

}  // namespace

Result<Model> read_openvino_ir(const fs::path& path) {
  STROP_TRY(const MappedFile xml, MappedFile::open(path));
  STROP_TRY(const MappedFile weights,
            MappedFile::open_inside(path.parent_path(), path.stem().string() + ".bin"));
  Model model{.path = path.string(),
              .format = "openvino_ir",
              .architecture = "openvino graph",
              .kind = ModelKind::other};
  XmlWalk walk(xml.bytes(), path.string());
  std::uint64_t layers = 0;
  bool is_net = false;
  std::map<std::string, std::uint64_t> by_type;
  PortWalk ports(walk);
  const auto open = [&](std::size_t depth, std::string_view name,
                        const Attributes& attributes) -> Result<void> {
    STROP_CHECK(ports.open(depth, name, attributes));
    if (name == "net") is_net = true;
    if (name == "layer" && ++layers > kMaxLayers)
      return walk.corrupt(str("has more than ", kMaxLayers, " layers"));
    if (name != "data" || !attributes.contains("offset") || !attributes.contains("size")) return {};
    const auto offset = number(attributes, "offset"), size = number(attributes, "size");
    if (!offset || !size || !(Checked(*offset) + *size).at_most(weights.bytes().size()))
      return walk.corrupt("has a constant outside of the .bin file");
    const auto type = attributes.find("element_type");
    by_type[type == attributes.end() ? "" : type_word(type->second)] += *size;
    return {};
  };
  const auto close = [&](std::size_t depth, std::string_view name, std::string_view text) {
    return ports.close(depth, name, text);
  };
  STROP_CHECK(walk.walk(open, close));
  if (!is_net) return walk.corrupt("is not an OpenVINO IR: it has no net");
  STROP_CHECK(ports.name_outputs());
  model.inputs = std::move(ports.inputs);
  model.outputs = std::move(ports.outputs);
  model.kind = kind_of_graph(model.inputs, model.outputs);
  model.weight_bytes = weights.bytes().size();
  std::uint64_t most = 0;
  for (const auto& [type, bytes] : by_type) {
    if (bytes > most) most = bytes, model.precision = type;
  }
  return model;
}

}  // namespace strop::formats
