#include "labels.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "core/json.h"
#include "core/utf8.h"

namespace strop::data {
namespace {

constexpr std::size_t kMaxLine = std::size_t{64} * 1024;
constexpr std::size_t kMaxBoxes = 10'000;  // of one sample
constexpr std::uint64_t kMaxJson = 64ull << 20;
constexpr double kMaxValue = 1e12;

using Labels = std::map<std::string, Label>;

Error refuse(const std::string& where, const std::string& field, const std::string& rule,
             const std::string& value) {
  const std::string shown = repaired_utf8(std::string_view(value).substr(0, 80));
  return Error{.code = ErrorCode::invalid_input,
               .message = str("[data] ", where, ": ", field, " ", rule, ", but is ", shown),
               .hint = "docs/data.md shows what labels look like.",
               .field = field,
               .value = shown};
}

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// A class by its index or name, or a number of any kind.
class Words {
 public:
  explicit Words(const std::vector<std::string>& classes) {
    for (std::size_t i = 0; i < classes.size(); ++i)
      indices_.emplace(classes[i], static_cast<std::int64_t>(i));
  }

  std::optional<std::int64_t> index(std::string_view text) const {
    const auto named = indices_.find(text);
    if (named != indices_.end()) return named->second;
    const auto value = number<std::int64_t>(text);
    return value && *value >= 0 && *value < (std::int64_t{1} << 31) ? value : std::nullopt;
  }

  Result<void> set(std::string_view text, Label& label, const std::string& where) const {
    if (label.index || label.value)
      return refuse(where, "file", "must have one label", "there twice");
    label.index = index(text);
    if (label.index) return {};
    label.value = number<double>(text);
    if (label.value && std::isfinite(*label.value) && std::abs(*label.value) <= kMaxValue)
      return {};
    return refuse(where, "label",
                  indices_.empty() ? "must be a number, or a name that classes of data.json lists"
                                   : "must be a number, or one of classes of data.json",
                  std::string(text));
  }

 private:
  std::map<std::string, std::int64_t, std::less<>> indices_;
};

Result<void> add_box(Label& label, Box box, const std::string& where) {
  for (const double side : {box.x1, box.y1, box.x2, box.y2}) {
    if (!std::isfinite(side) || std::abs(side) > 1e6)
      return refuse(where, "box", "must be pixels from -1000000 to 1000000", str(side));
  }
  if (!(box.x1 < box.x2) || !(box.y1 < box.y2))
    return refuse(where, "box", "must be x1,y1,x2,y2 with x1 < x2 and y1 < y2",
                  str(box.x1, ",", box.y1, ",", box.x2, ",", box.y2));
  if (label.boxes.size() == kMaxBoxes)
    return refuse(where, "box", str("must be there at most ", kMaxBoxes, " times"), "more");
  label.boxes.push_back(box);
  return {};
}

// One line of CSV: fields between commas, in quotes where they hold one.
std::optional<std::vector<std::string>> split(std::string_view line) {
  std::vector<std::string> fields(1);
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"' && fields.back().empty()) {
      for (++i;; ++i) {
        if (i >= line.size()) return std::nullopt;
        if (line[i] == '"' && i + 1 < line.size() && line[i + 1] == '"')
          ++i;
        else if (line[i] == '"')
          break;
        fields.back() += line[i];
      }
      if (i + 1 < line.size() && line[i + 1] != ',') return std::nullopt;
    } else if (line[i] == ',') {
      fields.emplace_back();
    } else {
      fields.back() += line[i];
    }
  }
  return fields;
}

}  // namespace

Result<Labels> read_labels_csv(std::string_view text, const std::vector<std::string>& wanted,
                               const std::vector<std::string>& classes, const std::string& what) {
  const std::set<std::string, std::less<>> names(wanted.begin(), wanted.end());
  const Words words(classes);
  Labels labels;
  std::size_t line_number = 0, columns = 0;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::string where = str(what, " line ", ++line_number);
    if (line.size() > kMaxLine || invalid_utf8(line))
      return refuse(where, "line", str("must be UTF-8 of at most ", kMaxLine, " bytes"), "another");
    if (line.empty()) continue;
    const auto fields = split(line);
    if (!fields)
      return refuse(where, "line", "must close its quotes before a comma", std::string(line));
    if (columns == 0) {
      const bool boxes = line == "file,label,x1,y1,x2,y2";
      if (!boxes && line != "file,label")
        return refuse(where, "header", "must be file,label or file,label,x1,y1,x2,y2",
                      std::string(line));
      columns = boxes ? 6 : 2;
      continue;
    }
    if (fields->size() != columns)
      return refuse(where, "line", str("must have ", columns, " fields"), std::string(line));
    const std::string& file = (*fields)[0];
    if (!names.contains(file)) continue;
    Label& label = labels[file];
    if (columns == 2) {
      STROP_CHECK(words.set((*fields)[1], label, where));
      continue;
    }
    const auto index = words.index((*fields)[1]);
    if (!index)
      return refuse(where, "label", "must be a class's index, or a name that classes lists",
                    (*fields)[1]);
    double sides[4];
    for (std::size_t i = 0; i < 4; ++i) {
      const auto side = number<double>((*fields)[2 + i]);
      if (!side) return refuse(where, "box", "must be four numbers", (*fields)[2 + i]);
      sides[i] = *side;
    }
    STROP_CHECK(add_box(label, {sides[0], sides[1], sides[2], sides[3], *index}, where));
  }
  if (columns == 0) return refuse(what, "header", "must be file,label", "missing");
  return labels;
}

Result<Labels> read_labels_json(std::string_view text, const std::vector<std::string>& wanted,
                                const std::vector<std::string>& classes, const std::string& what) {
  if (text.size() > kMaxJson)
    return refuse(what, "size", str("must be at most ", kMaxJson, " bytes; use a .csv"),
                  str(text.size()));
  STROP_TRY(const Json json, parse_json(text, what));
  if (!json.is_object())
    return refuse(what, "the file", "must be an object of labels by file", "none");
  const Words words(classes);
  const auto word = [](const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.is_number() ? text_of(value) : "";
  };
  Labels labels;
  for (const std::string& name : wanted) {
    const auto found = json.find(name);
    if (found == json.end()) continue;
    Label& label = labels[name];
    const std::string where = str(what, " ", name);
    if (!found->is_array()) {
      STROP_CHECK(words.set(word(*found), label, where));
      continue;
    }
    for (const Json& one : *found) {
      const Json box = one.is_object() ? one.value("box", Json()) : Json();
      const auto index = words.index(word(one.is_object() ? one.value("label", Json()) : Json()));
      const auto is_number = [](const Json& side) { return side.is_number(); };
      if (!index || !box.is_array() || box.size() != 4 ||
          !std::all_of(box.begin(), box.end(), is_number))
        return refuse(where, "box", "must be {\"label\": CLASS, \"box\": [x1, y1, x2, y2]}",
                      shown(one));
      STROP_CHECK(add_box(label,
                          {box[0].get<double>(), box[1].get<double>(), box[2].get<double>(),
                           box[3].get<double>(), *index},
                          where));
    }
  }
  return labels;
}

}  // namespace strop::data
