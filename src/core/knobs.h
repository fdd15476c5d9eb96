// The run knobs of a worker as one table: what each may be, what it is unless told otherwise, and
// one way to refuse anything else.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "strop/recipe.h"
#include "strop/result.h"

namespace strop {

// knob.values are the words that it may be; with `most` also a whole number from 1 to it. Neither:
// any text, which the worker reads.
struct KnobRule {
  Knob knob;
  std::uint32_t most = 0;
};

// Every knob with its value: the one given, else the default. An unknown name or a value outside
// the rule is invalid_input with the name in Error.field; `worker` begins the messages.
Result<RunOptions> options_in_force(const std::string& worker, std::span<const KnobRule> rules,
                                    const RunOptions& given);

// The value of a knob that is a whole number, once it is in force.
std::uint32_t number_of(const RunOptions& in_force, const std::string& name);

// The tokens that a decoder's knob context allows: as asked, or `usual` where nobody did; more than
// `most`, the model's own limit, is invalid_input.
Result<std::uint32_t> context_in_force(const std::string& worker, const std::string& asked,
                                       std::uint32_t usual, std::uint32_t most);

std::vector<Knob> knobs_of(std::span<const KnobRule> rules);

}  // namespace strop
