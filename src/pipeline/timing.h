// Who is how fast: run presets screened against each other, then groups of artifacts timed against
// the baseline.
#pragma once

#include "pipeline/exam.h"

namespace strop::pipeline {

// A request or two with each preset: the trial with the fastest of them, and one dominated (or
// failed) trial for each of the others. Where all fail, so has the chosen one.
struct Screened {
  Trial chosen;
  std::vector<Trial> others;
};
Result<Screened> screen_presets(const Trial& trial, const std::vector<RunPreset>& presets,
                                const Exam& exam, const Report& report, Context& context);

// The baseline against itself: the A/A control, and the baseline's own figures.
struct Controlled {
  Control control;
  Measurement baseline;
};
Result<Controlled> time_control(const Trial& baseline, const Exam& exam, double max_seconds,
                                const Report& report, Context& context);

// The trials in rounds with the baseline. One that fails is taken out and the others are timed
// again. name: of the files with the raw samples, like no other's in the run.
Result<std::vector<Trial>> time_group(const std::string& name, const Trial& baseline,
                                      std::vector<Trial> trials, const Exam& exam,
                                      double max_seconds, const Report& report, Context& context);

}  // namespace strop::pipeline
