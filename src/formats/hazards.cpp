#include "formats/hazards.h"

#include <algorithm>
#include <array>

#include "core/utf8.h"
#include "formats/gguf.h"
#include "formats/mapped_file.h"
#include "formats/onnx.h"

namespace fs = std::filesystem;

namespace strop::formats {
namespace {

struct Magic {
  std::string_view bytes;
  const char* what;
};
constexpr std::array kMagic{
    Magic{"\x7f"
          "ELF",
          "is a program or library for Linux"},
    Magic{"MZ", "is a program or library for Windows"},
    Magic{"\xcf\xfa\xed\xfe", "is a program or library for macOS"},
    Magic{"\xca\xfe\xba\xbe", "is a program for several processors, or a Java class"},
    Magic{"#!", "is a script"},
    Magic{"PK\x03\x04", "is an archive, which can hold code"},
    Magic{"\x89HDF", "is an HDF5 file, which can hold code"}};

// Of what a file says, as much as a sentence takes.
std::string shown(std::string_view text) { return repaired_utf8(text.substr(0, 60)); }

bool is_pickle(std::string_view bytes) {
  return bytes.size() > 1 && bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5;
}

// Operators that engines bring themselves; any other domain needs a library that comes with the
// model.
bool is_known_domain(const std::string& domain) {
  constexpr std::array kKnown{"", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview.training"};
  return domain.starts_with("com.microsoft") ||
         std::any_of(kKnown.begin(), kKnown.end(),
                     [&](const char* known) { return domain == known; });
}

// Versions of the operators of an OpenVINO graph: those of the standard sets are the engine's own.
void add_foreign_layers(std::string_view xml, const std::string& name,
                        std::vector<std::string>& out) {
  constexpr std::string_view kLayer = "<layer ", kVersion = " version=\"";
  for (std::size_t at = xml.find(kLayer); at != xml.npos; at = xml.find(kLayer, at + 1)) {
    const std::string_view tag = xml.substr(at, xml.find('>', at) - at);
    const std::size_t version = tag.find(kVersion);
    if (version == tag.npos) continue;
    const std::string_view rest = tag.substr(version + kVersion.size());
    const std::string_view value = rest.substr(0, rest.find('"'));
    if (value.starts_with("opset") || value == "ie_internal_opset") continue;
    out.push_back(str(name, " has an operator of the foreign set \"", shown(value), "\""));
    return;
  }
}

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Words of the code between {{ }} or {% %}, without what stands in quotes.
std::vector<std::string> words_of(std::string_view code) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < code.size();) {
    if (code[i] == '"' || code[i] == '\'') {
      const char quote = code[i++];
      while (i < code.size() && code[i] != quote) i += code[i] == '\\' ? 2 : 1;
      ++i;
    } else if (is_name(code[i])) {
      const std::size_t begin = i;
      while (i < code.size() && is_name(code[i])) ++i;
      words.emplace_back(code.substr(begin, i - begin));
    } else {
      ++i;
    }
  }
  return words;
}

template <std::size_t N>
bool is_one_of(const std::string& word, const std::array<const char*, N>& words) {
  return std::any_of(words.begin(), words.end(), [&](const char* one) { return word == one; });
}

void check_code(std::string_view code, bool statement, std::vector<std::string>& out) {
  constexpr std::array kStatements{"if",         "elif",          "else",   "endif",    "for",
                                   "endfor",     "set",           "endset", "macro",    "endmacro",
                                   "generation", "endgeneration", "break",  "continue", "filter",
                                   "endfilter",  "raw",           "endraw", "call",     "endcall"};
  constexpr std::array kInner{"mro",        "eval",     "exec",       "getattr", "setattr",
                              "globals",    "builtins", "subprocess", "popen",   "system",
                              "attr",       "lipsum",   "cycler",     "joiner",  "open",
                              "format_map", "compile",  "breakpoint"};
  const std::vector<std::string> words = words_of(code);
  if (statement && !words.empty() && !is_one_of(words.front(), kStatements))
    out.push_back(str("the chat template has the statement ", words.front().substr(0, 60)));
  for (const std::string& word : words)
    if (word.starts_with("__") || is_one_of(word, kInner))
      out.push_back(str("the chat template uses ", word.substr(0, 60)));
  // A name in quotes is an attribute too: messages["__class__"].
  if (code.find("__") != code.npos &&
      std::none_of(words.begin(), words.end(), [](const auto& w) { return w.starts_with("__"); }))
    out.push_back("the chat template has a name of Python's inner workings in quotes");
}

}  // namespace

Result<std::vector<std::string>> code_in(const fs::path& file) {
  std::vector<std::string> found;
  const std::string name = file.filename().string();
  std::error_code error;
  if (fs::file_size(file, error) == 0 && !error) return found;
  STROP_TRY(const MappedFile mapped, MappedFile::open(file));
  const std::string_view bytes = mapped.bytes();
  for (const Magic& magic : kMagic)
    if (bytes.starts_with(magic.bytes)) found.push_back(str(name, " ", magic.what));
  if (is_pickle(bytes))
    found.push_back(str(name, " is a Python pickle, which runs code when read"));
  if (file.extension() == ".onnx") {
    STROP_TRY(const auto domains, onnx_domains(file));
    for (const std::string& domain : domains)
      if (!is_known_domain(domain))
        found.push_back(str(name, " needs the operators of \"", shown(domain),
                            "\", which a library of its own would have to bring"));
  }
  if (file.extension() == ".xml") add_foreign_layers(bytes, name, found);
  return found;
}

std::vector<std::string> template_hazards(std::string_view text) {
  std::vector<std::string> found;
  for (std::size_t at = 0; (at = text.find('{', at)) != text.npos && at + 1 < text.size();) {
    const char kind = text[at + 1];
    if (kind != '{' && kind != '%' && kind != '#') {
      ++at;
      continue;
    }
    const std::string_view closing = kind == '{' ? "}}" : kind == '%' ? "%}" : "#}";
    const std::size_t end = text.find(closing, at + 2);
    if (end == text.npos) {
      found.push_back("the chat template has an opening mark without its end");
      break;
    }
    if (kind != '#') check_code(text.substr(at + 2, end - at - 2), kind == '%', found);
    at = end + 2;
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

Result<std::string> chat_template_in(const fs::path& file) {
  STROP_TRY(const GgufFile opened, GgufFile::open(file));
  return std::string(opened.text("tokenizer.chat_template").value_or(""));
}

}  // namespace strop::formats
