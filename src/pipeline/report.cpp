// The run's findings in plain words, and as a page in the run folder.
#include "report/recommendations.h"

#include "core/files.h"
#include "pipeline/stages.h"
#include "report/html.h"
#include "report/terminal.h"
#include "strop/json.h"

namespace strop::pipeline {

Result<void> report_stage(Report& report, Context&) {
  report.recommendations = recommendations(report);
  return {};
}

}  // namespace strop::pipeline

namespace strop {

std::string to_terminal(const Report& report, std::size_t width, bool colour, bool unicode) {
  return terminal_table(report, {.width = width, .colour = colour, .unicode = unicode});
}

Result<std::string> to_html(const Report& report) {
  STROP_TRY(const HtmlAssets assets, load_html_assets(pipeline::places().share / "report"));
  return html_page(report, assets);
}

}  // namespace strop
