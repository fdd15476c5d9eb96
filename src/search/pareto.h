// The Pareto front: every artifact for which no other one is at least as good in everything and
// better in something.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "strop/model.h"
#include "strop/trial.h"

namespace strop {

// Bytes on disk, distance from the original (of text or of tensors), and speed: the one that was
// measured in pairs with the baseline, because absolute times of different moments cannot be
// compared.
std::vector<Objective> usual_objectives();

// What the trial scored; total_bytes is the artifact's. Nothing when it was not measured.
std::optional<double> value_of(const Trial& trial, const std::string& metric);

// False for the baseline and the quality reference, for trials that did not finish, and for recipes
// whose grid the original's weights lie on already: these lose nothing here and elsewhere they
// would.
bool may_be_shipped(const Trial& trial, const Model& model);

// The front of what may be shipped, in order of the first objective. An objective that nobody has a
// value for is left out; a trial that lacks one of the others is not on the front. The order of the
// trials does not matter.
Front pareto_front(const std::vector<Trial>& trials, const Model& model,
                   const std::vector<Objective>& objectives = usual_objectives());

}  // namespace strop
