#include "report/terminal_writer.h"

#include <algorithm>
#include <array>

#include "report/characters.h"
#include "report/figures.h"

namespace strop {
namespace {

constexpr std::array<std::string_view, 6> kPaint{"",         "\x1b[1m",  "\x1b[2m",
                                                 "\x1b[32m", "\x1b[31m", "\x1b[33m"};
constexpr std::string_view kReset = "\x1b[0m";
constexpr std::size_t kLabelWidth = 14;

std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string word = clipped(text.substr(0, end), width, "");
    if (!lines.back().empty() && display_width(lines.back()) + 1 + display_width(word) > width)
      lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
    // A word longer than a line goes on in the next one.
    text.remove_prefix(word.size() < end ? word.size() : std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace

TerminalWriter::TerminalWriter(const TerminalStyle& style)
    : style_(style), width_(std::max<std::size_t>(style.width, 80)) {}

std::string TerminalWriter::shown(std::string_view text) const {
  std::string clean = printable(text);
  return style_.unicode ? clean : to_ascii(clean);
}

std::string TerminalWriter::cut(std::string_view text, std::size_t width) const {
  return clipped(shown(text), width, style_.unicode ? "\u2026" : "..");
}

std::string TerminalWriter::painted(std::string text, TerminalPaint paint) const {
  if (!style_.colour || paint == TerminalPaint::plain ||
      text.find_first_not_of(' ') == std::string::npos)
    return text;
  return std::string(kPaint.at(static_cast<std::size_t>(paint))) + text + std::string(kReset);
}

void TerminalWriter::line(std::string_view text, TerminalPaint paint) {
  out_ += painted(cut(text, width_), paint) + "\n";
}

void TerminalWriter::raw(std::string text) {
  text.erase(text.find_last_not_of(' ') + 1);
  out_ += text + "\n";
}

void TerminalWriter::paragraph(std::string_view text, TerminalPaint paint) {
  for (const std::string& part : wrapped(shown(text), width_)) raw(painted(part, paint));
}

void TerminalWriter::field(std::string_view label, std::string_view text, TerminalPaint label_paint,
                           TerminalPaint text_paint) {
  std::string head = painted(padded(cut(label, kLabelWidth), kLabelWidth, false), label_paint);
  for (const std::string& part : wrapped(shown(text), width_ - kLabelWidth)) {
    raw(head + painted(part, text_paint));
    head = std::string(kLabelWidth, ' ');
  }
}

void TerminalWriter::place(std::string_view label, std::string_view path) {
  raw(painted(padded(cut(label, kLabelWidth), kLabelWidth, false), TerminalPaint::bold) +
      shown(path));
}

void TerminalWriter::table(const std::vector<TerminalColumn>& columns,
                           const std::vector<std::vector<TerminalCell>>& rows) {
  std::vector<std::size_t> widths;
  std::size_t total = columns.empty() ? 0 : gap() * (columns.size() - 1);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    std::size_t width = display_width(shown(columns[i].heading));
    for (const auto& row : rows) width = std::max(width, display_width(shown(row.at(i).text)));
    widths.push_back(width);
    total += width;
  }
  while (total > width_) {
    std::size_t widest = columns.size();
    for (std::size_t i = 0; i < columns.size(); ++i)
      if (widths[i] > columns[i].least && (widest == columns.size() || widths[i] > widths[widest]))
        widest = i;
    if (widest == columns.size()) break;  // nothing can give way: the end of the lines is cut
    --widths[widest];
    --total;
  }
  const auto write = [&](const auto& text_of, const auto& paint_of) {
    std::string line;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::string text = padded(cut(text_of(i), widths[i]), widths[i], columns[i].right);
      line += (i ? std::string(gap(), ' ') : "") + painted(text, paint_of(i));
    }
    raw(line);
  };
  write([&](std::size_t i) { return columns[i].heading; },
        [](std::size_t) { return TerminalPaint::dim; });
  std::string rule;
  for (std::size_t i = 0; i < std::min(total, width_); ++i) rule += "\u2500";
  line(rule, TerminalPaint::dim);
  for (const auto& row : rows)
    write([&](std::size_t i) { return row[i].text; }, [&](std::size_t i) { return row[i].paint; });
}

std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::string space(width - std::min(width, display_width(text)), ' ');
  return right ? space + text : text + space;
}

}  // namespace strop
