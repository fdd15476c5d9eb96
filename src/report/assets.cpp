#include <fstream>
#include <iterator>

#include "report/html.h"

namespace strop {
namespace {

Result<std::string> read_asset(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  if (!file || content.empty())
    return Error{ErrorCode::not_found,
                 "[report] part of the page is missing: " + path.string() + ".",
                 "Install Strop again, or point it to its share folder."};
  return content;
}

}  // namespace

Result<HtmlAssets> load_html_assets(const std::filesystem::path& folder) {
  HtmlAssets assets;
  STROP_TRY(assets.page, read_asset(folder / "page.html"));
  STROP_TRY(assets.style, read_asset(folder / "page.css"));
  STROP_TRY(assets.script, read_asset(folder / "page.js"));
  return assets;
}

}  // namespace strop
