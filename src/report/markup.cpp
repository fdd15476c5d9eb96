#include "report/markup.h"

#include "report/figures.h"

namespace strop {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

bool is_void(std::string_view name) { return name == "br" || name == "col"; }

}  // namespace

Html text(std::string_view text) {
  Html out;
  out.markup_ = escaped(text);
  return out;
}

Html element(std::string_view name, Attributes attributes, const Html& content) {
  Html out;
  out.markup_ = "<" + std::string(name);
  for (const auto& [key, value] : attributes)
    if (!value.empty()) out.markup_ += " " + std::string(key) + "=\"" + escaped(value) + "\"";
  out.markup_ += ">";
  if (!is_void(name)) out.markup_ += content.markup_ + "</" + std::string(name) + ">";
  return out;
}

Html element(std::string_view name, Attributes attributes, std::string_view content) {
  return element(name, attributes, text(content));
}

}  // namespace strop
