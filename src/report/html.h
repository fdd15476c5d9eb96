// The report as one page that needs nothing else: no network, no second file, and no program to
// show its plots.
#pragma once

#include <filesystem>
#include <string>

#include "strop/report.h"

namespace strop {

// The files of share/report.
struct HtmlAssets {
  std::string page;    // the frame, with {{policy}}, {{title}}, {{style}}, {{script}} and {{body}}
  std::string style;   // CSS
  std::string script;  // sorting and highlighting; the page is complete without it
};

Result<HtmlAssets> load_html_assets(const std::filesystem::path& folder);

// Every text of the report is escaped; the page's own policy forbids any request and any foreign
// script.
std::string html_page(const Report& report, const HtmlAssets& assets);

}  // namespace strop
