// The report as one page that needs nothing else: no network, no second file, and no program to
// show its plots.
#pragma once

#include <filesystem>
#include <string>

#include "report/markup.h"
#include "report/raw_samples.h"
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
std::string html_page(const Report& report, const HtmlAssets& assets,
                      const RawSamples& samples = {});

// Any other content in the same frame, under the same policy.
std::string page_of(const std::string& title, const Html& content, const HtmlAssets& assets);

}  // namespace strop
