#include "report/html.h"

#include <vector>

#include "core/hash.h"
#include "report/sections.h"

namespace strop {
namespace {

unsigned hex_digit(char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); }

// Of hex digits, as a content security policy wants its hashes.
std::string base64(std::string_view hex) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0, count = 0;
  for (const char c : hex) {
    bits = (bits << 4) | hex_digit(c);
    count += 4;
    if (count >= 6) out += kDigits[(bits >> (count -= 6)) & 63];
  }
  if (count > 0) out += kDigits[(bits << (6 - count)) & 63];
  while (out.size() % 4 != 0) out += '=';
  return out;
}

std::string source_hash(std::string_view content) {
  return "'sha256-" + base64(sha256_hex(content)) + "'";
}

// Only our own script and style, and no request of any kind.
std::string policy(const HtmlAssets& assets) {
  return "default-src 'none'; img-src data:; style-src " + source_hash(assets.style) +
         "; script-src " + source_hash(assets.script) + "; base-uri 'none'; form-action 'none'";
}

struct Part {
  std::string_view name;
  std::string content;
};

// One pass: what is put in is never looked at again, so no text can pose as a placeholder.
std::string filled(std::string_view page, const std::vector<Part>& parts) {
  std::string out;
  while (!page.empty()) {
    const std::size_t begin = page.find("{{");
    const std::size_t end = begin == page.npos ? page.npos : page.find("}}", begin);
    out += page.substr(0, begin);
    if (end == page.npos) break;
    const std::string_view name = page.substr(begin + 2, end - begin - 2);
    for (const Part& part : parts)
      if (part.name == name) out += part.content;
    page.remove_prefix(end + 2);
  }
  return out;
}

std::string filled_page(const std::string& title, const Html& content, const HtmlAssets& assets) {
  return filled(assets.page, {{"policy", text(policy(assets)).str()},
                              {"title", text(title).str()},
                              {"style", assets.style},
                              {"script", assets.script},
                              {"body", content.str()}});
}

std::string title_of(const Report& report) {
  return (report.model ? file_name(*report.model) : "No model") + " - Strop report";
}

Html body(const Report& report, const RawSamples& samples) {
  const Summary summary = summarise(report);
  return headline_section(report, summary) + artifacts_section(report, summary) +
         milestones_section(report) + plots_section(report, summary, samples) +
         domains_section(summary) + gates_section(summary) + advice_section(report) +
         plan_section(report, summary) + matrix_section(report) + setbacks_section(summary) +
         conditions_section(report, summary) + reproduce_section(report);
}

}  // namespace

std::string html_page(const Report& report, const HtmlAssets& assets, const RawSamples& samples) {
  return filled_page(title_of(report), body(report, samples), assets);
}

std::string page_of(const std::string& title, const Html& content, const HtmlAssets& assets) {
  return filled_page(title, content, assets);
}

}  // namespace strop
