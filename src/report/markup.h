// Markup that cannot be broken out of: Html is a type of its own, and the only ways to make one
// escape their text.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace strop {

class Html {
 public:
  Html() = default;
  const std::string& str() const { return markup_; }
  bool empty() const { return markup_.empty(); }
  Html& operator+=(const Html& other) {
    markup_ += other.markup_;
    return *this;
  }
  friend Html operator+(Html a, const Html& b) { return std::move(a += b); }

 private:
  friend Html text(std::string_view);
  friend Html element(std::string_view,
                      std::initializer_list<std::pair<std::string_view, std::string>>, const Html&);
  std::string markup_;
};

using Attributes = std::initializer_list<std::pair<std::string_view, std::string>>;

// Escaped, and free of characters that hide or reorder what is written.
Html text(std::string_view text);
// Names are ours, values anybody's. An attribute with an empty value is left out.
Html element(std::string_view name, Attributes attributes, const Html& content = {});
Html element(std::string_view name, Attributes attributes, std::string_view content);
inline Html element(std::string_view name, const Html& content) {
  return element(name, {}, content);
}
inline Html element(std::string_view name, std::string_view content) {
  return element(name, {}, content);
}
inline Html element(std::string_view name, const char* content) {
  return element(name, {}, std::string_view(content));
}

}  // namespace strop
