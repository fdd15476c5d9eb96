// The store's housekeeping as people read it. Each ends in a newline.
#pragma once

#include "report/terminal.h"
#include "strop/store.h"

namespace strop {

std::string listing_text(const StoreListing& listing, const TerminalStyle& style);
std::string check_text(const StoreCheck& check, const TerminalStyle& style);
std::string cleaning_text(const StoreCleaning& cleaning, const TerminalStyle& style);

}  // namespace strop
