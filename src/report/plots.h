// The pictures of the page, drawn here so that the page needs no program to show them. Marks carry
// shape and fill beside colour: shape says framework, filled means on the front, a ring means
// recommended.
#pragma once

#include <string_view>

#include "report/markup.h"
#include "report/raw_samples.h"
#include "report/summary.h"

namespace strop {

// Each returns an SVG, empty when fewer than two points were measured.
Html size_plot(const Summary& summary);      // size against divergence
Html speed_plot(const Summary& summary);     // speed against divergence
Html position_plot(const Summary& summary);  // divergence by position
Html domain_plot(const Summary& summary);    // divergence by domain of the text
Html latency_plot(const Summary& summary);   // request time against the baseline's
Html steps_plot(const Report& report);       // size, accuracy, speed and memory step by step
// Times between tokens, all of them.
Html distribution_plot(const Summary& summary, const RawSamples& samples);
Html effort_plot(const Report& report);  // where the run's time went
Html framework_legend(const Summary& summary);

// 1-based, by first appearance; the colour and the shape of a framework's marks.
std::size_t framework_number(const Summary& summary, std::string_view backend);

}  // namespace strop
