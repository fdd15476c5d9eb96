// Several runs next to each other, as people read them.
#pragma once

#include "report/html.h"
#include "report/terminal.h"
#include "strop/side_by_side.h"

namespace strop {

SideBySide sides_of(const std::vector<NamedReport>& runs);

// Ends in a newline.
std::string sides_text(const SideBySide& sides, const TerminalStyle& style);
std::string sides_page(const SideBySide& sides, const HtmlAssets& assets);

}  // namespace strop
