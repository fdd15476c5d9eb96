// Which artifact to ship, by the gates and the user's weights.
#pragma once

#include <vector>

#include "strop/gate.h"
#include "strop/goal.h"
#include "strop/model.h"
#include "strop/trial.h"

namespace strop {

// How good an artifact is by the weights: twice the baseline's speed, half its memory and a
// twentieth of the original's accuracy are worth one unit each, whatever else was tried. Intervals
// count with their bad end; what was not measured earns nothing.
double score(const Trial& trial, const Trial& baseline, const Goal& goal);

// How far an artifact is from passing, in the same units, summed over the required gates. 0: it
// passes.
double shortfall(const GateReport& gates);

// Adds the recommendation to the front: the best score of those that pass every required gate; when
// none does, the one with the least shortfall, and `why` says so. Without judged artifacts that may
// be shipped the recommendation stays empty. `why` has no full stop at its end.
Front recommend(Front front, const std::vector<Trial>& trials, const std::vector<GateReport>& gates,
                const Goal& goal, const Model& model);

}  // namespace strop
