// Raw samples of a run, as far as the page draws them.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "strop/report.h"

namespace strop {

struct RawSamples {
  std::map<std::string, std::vector<double>> inter_token_ms;  // by trial id, in no order
};

// From the files that the report's metrics name in the run's folder. What cannot be read, or does
// not lie in that folder, is left out: the page then has no picture of it.
RawSamples read_raw_samples(const Report& report, const std::filesystem::path& folder);

}  // namespace strop
