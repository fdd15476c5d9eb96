// A report of the kind a real run of SmolLM2-135M leaves, made up for tests: nine trials of two
// frameworks, a failed and two dominated ones among them, a noisy figure, and metrics nobody
// measured.
#pragma once

#include "report/raw_samples.h"
#include "strop/report.h"

namespace strop::sample {

Report report();

// The same run of a model of tensors: inferences instead of tokens, noise instead of divergence,
// and what two frameworks make of each other's artifacts.
Report tensor_report();

// The same report with names that try to break out of a page or a terminal.
Report hostile_report();

// Times between tokens of some of its trials, with a tail.
RawSamples raw_samples();

// A run that ended before anything was measured.
Report empty_report();

}  // namespace strop::sample
