#include "measure/evaluation.h"

#include <algorithm>

#include "core/hash.h"

namespace strop::measure {
namespace {

std::uint64_t scored_in(const std::vector<TokenId>& ids, std::uint32_t first_scored) {
  const std::uint64_t predicted = ids.empty() ? 0 : ids.size() - 1;
  return predicted > first_scored ? predicted - first_scored : 0;
}

void update(Sha256& hash, std::uint64_t value) {
  unsigned char bytes[8];  // little-endian on every machine
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<unsigned char>(value >> (8 * i));
  hash.update(bytes, sizeof bytes);
}

}  // namespace

std::uint64_t scored_positions(const Evaluation& evaluation) {
  std::uint64_t count = 0;
  for (const auto& ids : evaluation.sequences) count += scored_in(ids, evaluation.first_scored);
  return count;
}

std::string digest(const Evaluation& evaluation) {
  Sha256 hash;
  update(hash, evaluation.first_scored);
  if (evaluation.stepped_from > 0) update(hash, ~std::uint64_t{evaluation.stepped_from});
  for (const auto& ids : evaluation.sequences) {
    update(hash, ids.size());
    for (TokenId id : ids) update(hash, static_cast<std::uint64_t>(static_cast<std::int64_t>(id)));
  }
  return hash.hex();
}

Result<void> check(const Evaluation& evaluation, const SessionInfo& session) {
  if (scored_positions(evaluation) == 0)
    return Error{
        ErrorCode::invalid_input,
        str("[measure] the evaluation must have a position to score: ", evaluation.sequences.size(),
            " sequences, scored from position ", evaluation.first_scored)};
  for (const auto& ids : evaluation.sequences) {
    if (ids.size() > session.context_length)
      return Error{ErrorCode::invalid_input,
                   str("[measure] an evaluated sequence must fit the context of ",
                       session.context_length, " tokens, but has ", ids.size()),
                   "Choose a shorter evaluation context"};
    const auto foreign = std::find_if(ids.begin(), ids.end(), [&](TokenId id) {
      return id < 0 || static_cast<std::uint32_t>(id) >= session.vocabulary_size;
    });
    if (foreign != ids.end())
      return Error{ErrorCode::invalid_input,
                   str("[measure] a token id must be below the vocabulary's ",
                       session.vocabulary_size, ", but is ", *foreign),
                   "The tokenizer belongs to another model"};
  }
  return {};
}

}  // namespace strop::measure
