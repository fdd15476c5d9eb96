// Writes the page of a made-up report, for the check in a real browser: report_page SHARE KIND >
// page.html
#include "report/html.h"

#include <iostream>
#include <string_view>

#include "report/side_by_side.h"
#include "unit/report/sample.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto assets = strop::load_html_assets(argv[1]);
  if (!assets) {
    std::cerr << assets.error().message << '\n';
    return 1;
  }
  const std::string_view kind = argv[2];
  if (kind == "sides") {
    std::cout << strop::sides_page(
        strop::sides_of({{"laptop", strop::sample::report()},
                         {"server</script><img src=x>", strop::sample::hostile_report()}}),
        *assets);
    return 0;
  }
  std::cout << strop::html_page(kind == "hostile" ? strop::sample::hostile_report()
                                : kind == "empty" ? strop::sample::empty_report()
                                                  : strop::sample::report(),
                                *assets, strop::sample::raw_samples());
}
