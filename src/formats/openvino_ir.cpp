#include "formats/openvino_ir.h"

#include <charconv>
#include <map>
#include <optional>
#include <vector>

#include "formats/checked.h"
#include "formats/mapped_file.h"

namespace fs = std::filesystem;

namespace strop::formats {
namespace {

constexpr std::size_t kMaxDepth = 16;  // enough for loops in loops in loops
constexpr std::uint64_t kMaxLayers = 1'000'000;

using Attributes = std::map<std::string_view, std::string_view>;

// The smallest XML that an IR needs: elements and attributes; text between them is skipped.
class XmlWalk {
 public:
  XmlWalk(std::string_view text, std::string what) : text_(text), what_(std::move(what)) {}

  // Calls open(name, attributes) for each element, in order.
  template <class Open>
  Result<void> walk(const Open& open) {
    std::vector<std::string_view> open_elements;
    while (true) {
      const std::size_t begin = text_.find('<', at_);
      if (begin == std::string_view::npos) break;
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
        open_elements.pop_back();
        skip_space();
        if (!rest().starts_with(">")) return corrupt("has a malformed end of an element");
      } else {
        const std::size_t element_begin = at_;
        STROP_TRY(const bool closed, element(open));
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
  STROP_CHECK(walk.walk([&](std::string_view name, const Attributes& attributes) -> Result<void> {
    if (name == "net") is_net = true;
    if (name == "layer" && ++layers > kMaxLayers)
      return walk.corrupt(str("has more than ", kMaxLayers, " layers"));
    if (name != "data" || !attributes.contains("offset") || !attributes.contains("size")) return {};
    const auto offset = number(attributes, "offset"), size = number(attributes, "size");
    if (!offset || !size || !(Checked(*offset) + *size).at_most(weights.bytes().size()))
      return walk.corrupt("has a constant outside of the .bin file");
    const auto type = attributes.find("element_type");
    by_type[type == attributes.end() ? "" : std::string(type->second)] += *size;
    return {};
  }));
  if (!is_net) return walk.corrupt("is not an OpenVINO IR: it has no net");
  model.weight_bytes = weights.bytes().size();
  std::uint64_t most = 0;
  for (const auto& [type, bytes] : by_type) {
    if (bytes > most) most = bytes, model.precision = type;
  }
  return model;
}

}  // namespace strop::formats
