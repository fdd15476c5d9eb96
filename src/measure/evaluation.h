// What the quality ruler reads: token ids, and which positions count.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "strop/backend.h"
#include "strop/result.h"

namespace strop::measure {

// Position i of a sequence is scored when the logits after id i predict id i + 1: all but the last,
// from first_scored on.
struct Evaluation {
  std::vector<std::vector<TokenId>> sequences;
  // 0: score all. Half the length of the sequences scores what llama-perplexity scores.
  std::uint32_t first_scored = 0;
  // 0: never. From this position on ids are given one at a time, as decoding does after a prompt.
  std::uint32_t stepped_from = 0;
  bool operator==(const Evaluation&) const = default;
};

std::uint64_t scored_positions(const Evaluation& evaluation);

// SHA-256, 64 hex digits, of ids, first_scored and stepped_from: two scores are comparable when it
// is the same.
std::string digest(const Evaluation& evaluation);

// Fails with invalid_input when there is nothing to score, an id is not of the vocabulary, or a
// sequence is longer than the context.
Result<void> check(const Evaluation& evaluation, const SessionInfo& session);

}  // namespace strop::measure
