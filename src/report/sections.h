// The parts of the page, in the order they are read. Each is empty when the report has nothing for
// it.
#pragma once

#include "report/markup.h"
#include "report/raw_samples.h"
#include "report/summary.h"

namespace strop {

Html headline_section(const Report& report, const Summary& summary);
Html artifacts_section(const Report& report, const Summary& summary);
Html milestones_section(const Report& report);
Html plots_section(const Report& report, const Summary& summary, const RawSamples& samples = {});
Html domains_section(const Summary& summary);
Html gates_section(const Summary& summary);
Html advice_section(const Report& report);
Html plan_section(const Report& report, const Summary& summary);
Html matrix_section(const Report& report);
Html setbacks_section(const Summary& summary);
Html conditions_section(const Report& report, const Summary& summary);
Html reproduce_section(const Report& report);

// The command that makes this run again, with every flag that is not at its default.
std::string command_line(const Report& report);

}  // namespace strop
