// Which figures a reader of a report looks for, and what they are called: models of text are read
// by their tokens, models of tensors by their inferences. Tables, plots and recommendations ask
// here and know neither.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "strop/report.h"

namespace strop {

// A metric and its names: the two lines of a column's heading, a heading on one line, and words in
// a sentence.
struct Named {
  std::string_view metric, top, bottom, title, words;
};

// A metric in a sentence.
struct Sought {
  std::string_view metric, words;
};

struct Wording {
  std::string_view distance;        // the metric that says how far an artifact is from the original
  std::string_view distance_title;  // "KL divergence"
  std::string_view distance_axis;   // with its unit
  std::string_view distance_short;  // "KL"
  std::span<const Named> latencies;  // the two that stand in tables
  std::span<const Sought> expected;  // what a report should have of every candidate
  std::span<const Sought> watched;   // what is worth an alert once it is deployed
};

const Wording& wording(const Report& report);

// What one request is: as it was timed, or as it will be.
std::string request_words(const Report& report);

}  // namespace strop
