#include "completion.h"

#include "help.h"
#include "strop/run.h"

namespace strop::cli {
namespace {

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::vector<std::string> verbs(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* verb : app.get_subcommands({})) names.push_back(verb->get_name());
  return names;
}

std::string bash(const CLI::App& app) {
  std::string cases;
  for (const CLI::App* verb : app.get_subcommands({}))
    cases += "    " + verb->get_name() + ") words=\"" + join(flags(*verb)) + "\" ;;\n";
  return "_strop() {\n"
         "  local current=\"${COMP_WORDS[COMP_CWORD]}\" words=\"" +
         join(verbs(app)) +
         " --help --version\"\n"
         "  [ \"$COMP_CWORD\" -gt 1 ] && case \"${COMP_WORDS[1]}\" in\n" +
         cases +
         "  esac\n"
         "  if [ \"$COMP_CWORD\" -gt 1 ] && [[ \"$current\" != -* ]]; then COMPREPLY=($(compgen -f "
         "-- \"$current\")); return; fi\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "}\n"
         "complete -o filenames -F _strop strop\n";
}

std::string zsh(const CLI::App& app) {
  return "#compdef strop\nautoload -U +X bashcompinit && bashcompinit\n" + bash(app);
}

// As one word: inside single quotes fish reads only \' and \\ as something else.
std::string fish_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string fish(const CLI::App& app) {
  std::string text;
  for (const CLI::App* verb : app.get_subcommands({})) {
    text += "complete -c strop -n __fish_use_subcommand -a " + verb->get_name() + " -d " +
            fish_quoted(verb->get_description()) + "\n";
    for (const CLI::Option* option : verb->get_options()) {
      for (const std::string& name : option->get_lnames())
        text += "complete -c strop -n '__fish_seen_subcommand_from " + verb->get_name() + "' -l " +
                name + "\n";
    }
  }
  return text;
}

// Text for roff: a leading dot or quote would be a request, a hyphen a typographic one.
std::string roff(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool line_start = i == 0 || text[i - 1] == '\n';
    if (line_start && (text[i] == '.' || text[i] == '\'')) out += "\\&";
    if (text[i] == '\\')
      out += "\\e";
    else if (text[i] == '-')
      out += "\\-";
    else
      out += text[i];
  }
  return out;
}

std::string manual_of(const CLI::App& verb) {
  const HelpFormatter formatter;
  std::string text = ".SS " + verb.get_name() + "\n" + roff(verb.get_description()) + "\n";
  for (const CLI::Option* option : verb.get_options()) {
    if (option == verb.get_help_ptr()) continue;
    const bool positional = option->get_positional();
    const std::string value = positional ? "" : option->get_type_name();
    text += ".TP\n.B " + roff(formatter.make_option_name(option, positional)) +
            (value.empty() ? "" : " " + roff(value)) + "\n" + roff(option->get_description()) +
            "\n";
  }
  const std::string footer = verb.get_footer();
  return footer.empty() ? text : text + ".PP\n.nf\n" + roff(footer) + "\n.fi\n";
}

}  // namespace

std::vector<std::string> flags(const CLI::App& verb) {
  std::vector<std::string> names;
  for (const CLI::Option* option : verb.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::string completion(const CLI::App& app, const std::string& shell) {
  if (shell == "fish") return fish(app);
  return shell == "zsh" ? zsh(app) : bash(app);
}

std::string manual(const CLI::App& app) {
  std::string text = ".TH STROP 1 \"\" \"strop " + std::string(version()) +
                     "\"\n.SH NAME\nstrop \\- optimises AI models for a target and measures the "
                     "result\n.SH SYNOPSIS\n.B strop\n.I verb\n[options]\n.SH DESCRIPTION\n" +
                     roff(app.get_description()) + "\n.SH VERBS\n";
  for (const CLI::App* verb : app.get_subcommands({})) text += manual_of(*verb);
  return text + ".SH EXAMPLES\n.nf\n" + roff(app.get_footer()) + "\n.fi\n";
}

}  // namespace strop::cli
