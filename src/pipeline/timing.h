// Who is how fast: run presets screened against each other, then groups of artifacts timed against
// the baseline, which is timed against itself in the same rounds.
#pragma once

#include "pipeline/exam.h"

namespace strop::pipeline {

// A request or two with each preset: the trial with the fastest of them, and one dominated (or
// failed) trial for each of the others. Where all fail, so has the chosen one. A single preset has
// nothing to be screened against: it is chosen without being opened.
struct Screened {
  Trial chosen;
  std::vector<Trial> others;
};
Result<Screened> screen_presets(const Trial& trial, const std::vector<RunPreset>& presets,
                                const Exam& exam, const Report& report, Context& context);

// Whether it has the time of a request.
bool is_timed(const Trial& trial);

// Seconds of one request of the baseline, after one that warmed it up: what a round will take.
Result<double> time_one(const Trial& baseline, const Exam& exam, const Report& report,
                        Context& context);

// The trials in rounds with the baseline and, as their A/A control, the baseline once more. Where
// it was not timed before, the baseline comes in front of the trials twice, with figures of its own
// unless it failed beside them: the second time with its speed against itself too. A trial that
// fails is taken out and the others are timed again. name: of the files with the raw samples, like
// no other's in the run.
Result<std::vector<Trial>> time_group(const std::string& name, const Trial& baseline,
                                      std::vector<Trial> trials, const Exam& exam,
                                      double max_seconds, const Report& report, Context& context);

}  // namespace strop::pipeline
