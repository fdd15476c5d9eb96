// The run's findings in plain words, and as a page in the run folder.
#include "report/recommendations.h"

#include "core/files.h"
#include "core/json.h"
#include "pipeline/stages.h"
#include "report/html.h"
#include "report/milestones.h"
#include "report/side_by_side.h"
#include "report/terminal.h"
#include "strop/json.h"

namespace fs = std::filesystem;

namespace strop::pipeline {

Result<void> report_stage(Report& report, Context&) {
  report.milestones = milestones(report);
  report.recommendations = recommendations(report);
  report.alerts = alerts(report);
  return {};
}

}  // namespace strop::pipeline

namespace strop {

std::string to_terminal(const Report& report, std::size_t width, bool colour, bool unicode) {
  return terminal_table(report, {.width = width, .colour = colour, .unicode = unicode});
}

Result<void> write_report(const Report& report, const std::string& folder,
                          const std::string& samples) {
  STROP_TRY(const HtmlAssets assets, load_html_assets(pipeline::places().share / "report"));
  const fs::path place = folder;
  STROP_CHECK(make_folder(place));
  STROP_CHECK(write_changed(place / "report.json", to_json(report)));
  return write_changed(
      place / "report.html",
      html_page(report, assets,
                samples.empty() ? RawSamples{} : read_raw_samples(report, samples)));
}

Result<NamedReport> read_run(const std::string& folder_or_file) {
  std::error_code error;
  fs::path file = folder_or_file;
  if (fs::is_directory(file, error)) file /= "report.json";
  auto text = read_text(file);
  if (!text) {
    if (text.error().code == ErrorCode::not_found)
      text.error().hint = "Give the folder of a finished run, or a report.json.";
    return std::move(text).error();
  }
  STROP_TRY(Report report, report_from_json(*text));
  const fs::path place = fs::absolute(file, error);
  const fs::path name =
      place.filename() == "report.json" ? place.parent_path().filename() : place.stem();
  return NamedReport{name.string(), std::move(report)};
}

SideBySide side_by_side(const std::vector<NamedReport>& runs) { return sides_of(runs); }

std::string to_json(const SideBySide& sides, int indent) { return text_of(encode(sides), indent); }

std::string to_terminal(const SideBySide& sides, std::size_t width, bool colour, bool unicode) {
  return sides_text(sides, {.width = width, .colour = colour, .unicode = unicode});
}

Result<void> write_report(const SideBySide& sides, const std::string& folder) {
  STROP_TRY(const HtmlAssets assets, load_html_assets(pipeline::places().share / "report"));
  const fs::path place = folder;
  STROP_CHECK(make_folder(place));
  STROP_CHECK(write_changed(place / "side_by_side.json", to_json(sides) + "\n"));
  return write_changed(place / "side_by_side.html", sides_page(sides, assets));
}

}  // namespace strop
