// What recipes learn ranges and scales from: samples that nothing is evaluated on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "pipeline/context.h"
#include "strop/report.h"

namespace strop::pipeline {

struct CalibrationSet {
  std::filesystem::path folder;  // 000000.npz, ...; empty: there are none
  std::string id;                // digest of what the samples are made from
  std::uint32_t samples = 0;
};

// The step's parameter that asks for samples; its value is how many it takes at most.
inline constexpr const char* kCalibrationParam = "calibration";

bool needs_calibration(const Step& step);
bool needs_calibration(const Recipe& recipe);

// For models of tensors from the user's data, for models of text Strop's own calibration text as
// token ids of the model. Made once, then taken from the store.
Result<CalibrationSet> calibration_set(const Report& report, Context& context);

// Why recipes that need samples cannot be tried; empty: they can, or there are none. What is wrong
// with data that the user gave is an error.
Result<std::string> why_no_calibration(const Report& report, Context& context);

}  // namespace strop::pipeline
