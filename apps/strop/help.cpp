#include "help.h"

#include <algorithm>
#include <string_view>

#include "console.h"

namespace strop::cli {
namespace {

constexpr std::size_t kColumn = 34;  // where descriptions begin

// Where a line goes on: under its description, or as far in as it begins.
std::size_t hanging_indent(std::string_view line) {
  const bool described = line.size() > kColumn && line[kColumn - 1] == ' ' && line[kColumn] != ' ';
  return described ? kColumn : std::min(line.find_first_not_of(' '), line.size());
}

void append_wrapped(std::string& out, std::string_view line, std::size_t width) {
  const std::size_t indent = hanging_indent(line);
  std::size_t begun = 0;  // columns that this part of the line has before its text
  while (begun + line.size() > width) {
    const std::size_t first_word = line.find_first_not_of(' ');
    const std::size_t space = line.rfind(' ', width - begun);
    if (space == line.npos || space <= first_word || space < (begun == 0 ? indent : 0)) break;
    out.append(line.substr(0, space)).append("\n").append(indent, ' ');
    line.remove_prefix(space + 1);
    begun = indent;
  }
  out.append(line);
}

std::string without(std::string text, const std::string& part) {
  if (const auto at = text.find(part); !part.empty() && at != text.npos)
    text.erase(at, part.size());
  return text;
}

}  // namespace

HelpFormatter::HelpFormatter() { column_width(kColumn); }

std::string HelpFormatter::make_help(const CLI::App* app, std::string name,
                                     CLI::AppFormatMode mode) const {
  const std::string plain = CLI::Formatter::make_help(app, std::move(name), mode);
  const std::size_t width = style_of_stdout().width;
  std::string out;
  for (std::size_t begin = 0; begin < plain.size();) {
    const std::size_t end = std::min(plain.find('\n', begin), plain.size());
    append_wrapped(out, std::string_view(plain).substr(begin, end - begin), width);
    out += end < plain.size() ? "\n" : "";
    begin = end + 1;
  }
  return out;
}

std::string HelpFormatter::make_option_name(const CLI::Option* option, bool is_positional) const {
  return without(CLI::Formatter::make_option_name(option, is_positional), "{false}");
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
  return without(CLI::Formatter::make_option_opts(option), " TEXT");
}

}  // namespace strop::cli
