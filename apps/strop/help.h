// The text of --help, wrapped between words to the terminal's width.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace strop::cli {

class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter();
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
  // Without the parser's words: what a switch is set to, and a type beside a positional's own name.
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override;
  std::string make_option_opts(const CLI::Option* option) const override;
};

}  // namespace strop::cli
