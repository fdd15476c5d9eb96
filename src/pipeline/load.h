// One artifact under load, against what the machine allows, and with the energy it takes.
#pragma once

#include "measure/ceilings.h"
#include "measure/speed.h"
#include "pipeline/context.h"
#include "strop/measure.h"
#include "strop/report.h"

namespace strop::pipeline {

// An artifact that has drifted from the golden record beside it is an error (golden.h), and
// so is a stop, whatever was measured until then.
Result<LoadOutcome> load_artifact(const std::string& name, const LoadRequest& load,
                                  Context& context);

// What memory and arithmetic allow with so many threads, measured now, in about two seconds.
Result<measure::MachineCeilings> machine_ceilings(std::uint32_t threads);

// Ceilings of decode and prefill from the rates that the measurement holds; what lacks is said in
// not_measured. model: the artifact's own, or the original it was made of.
void add_ceilings(Measurement& measurement, const Model& model, std::uint64_t weight_bytes,
                  const measure::MachineCeilings& machine);

// Every timed trial of the report against the machine's ceilings, and why its energy is not known.
Result<void> hold_against_machine(Report& report, Context& context);

// energy_per_inference where requests are made of inferences, else energy_per_token.
const char* energy_metric(const MetricContext& request);

// That of the contestant's requests, idle subtracted, or why there is none.
void add_energy(Measurement& measurement, const measure::Contestant& contestant,
                const MetricContext& at, double seconds, std::stop_token stop);

}  // namespace strop::pipeline
