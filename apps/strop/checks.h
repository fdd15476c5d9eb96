// What a value must be, for the argument parser. A refusal reads on from the flag's name: "--rate
// must be above 0, but got 0".
#pragma once

#include <CLI/CLI.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace strop::cli {

CLI::Validator one_of(const std::vector<std::string>& words);
CLI::Validator whole_number(std::uint64_t low = 0,
                            std::uint64_t high = std::numeric_limits<std::uint64_t>::max());
CLI::Validator number_within(double low, double high);
CLI::Validator above_zero();
CLI::Validator existing_file();

}  // namespace strop::cli
