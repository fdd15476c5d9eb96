// Text for a terminal, line by line, in the style's characters and colours; and tables that fit.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "report/terminal.h"

namespace strop {

enum class TerminalPaint { plain, bold, dim, good, bad, warn };

struct TerminalCell {
  std::string text;
  TerminalPaint paint = TerminalPaint::plain;
};

struct TerminalColumn {
  std::string heading;
  bool right = false;     // numbers end in line
  std::size_t least = 5;  // columns that it keeps where the table does not fit
};

class TerminalWriter {
 public:
  explicit TerminalWriter(const TerminalStyle& style);

  std::size_t width() const { return width_; }
  // Spaces between columns.
  std::size_t gap() const { return width_ < 90 ? 1 : 2; }
  std::string shown(std::string_view text) const;
  std::string cut(std::string_view text, std::size_t width) const;
  std::string painted(std::string text, TerminalPaint paint) const;

  void line(std::string_view text = {}, TerminalPaint paint = TerminalPaint::plain);
  // As many lines as it needs.
  void paragraph(std::string_view text, TerminalPaint paint = TerminalPaint::plain);
  void raw(std::string text);
  // "label       path", however long, so that it can be copied.
  void place(std::string_view label, std::string_view path);
  // "label       text", wrapped under itself.
  void field(std::string_view label, std::string_view text,
             TerminalPaint label_paint = TerminalPaint::bold,
             TerminalPaint text_paint = TerminalPaint::plain);
  // A heading, a rule, and the rows; each as many cells as there are columns. The widest columns
  // give way first where it does not fit.
  void table(const std::vector<TerminalColumn>& columns,
             const std::vector<std::vector<TerminalCell>>& rows);
  std::string take() { return std::move(out_); }

 private:
  TerminalStyle style_;
  std::size_t width_;
  std::string out_;
};

std::string padded(const std::string& text, std::size_t width, bool right);

}  // namespace strop
