#include "core/chunked_decoder.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "core/clock.h"

namespace strop {
namespace {

bool all_finite(std::span<const float> row) {
  bool finite = true;
  for (const float value : row) finite &= std::abs(value) <= std::numeric_limits<float>::max();
  return finite;
}

TokenId argmax(std::span<const float> row) {
  return static_cast<TokenId>(std::max_element(row.begin(), row.end()) - row.begin());
}

}  // namespace

ChunkedDecoder::ChunkedDecoder(std::string worker, SessionInfo info, SequenceId sequences,
                               std::size_t chunk)
    : info_(std::move(info)), worker_(std::move(worker)), sequences_(sequences), chunk_(chunk) {}

Result<void> ChunkedDecoder::check_sequence(SequenceId sequence) const {
  if (sequence < sequences_) return {};
  return Error{
      ErrorCode::invalid_input,
      str("[", worker_, "] sequence must be below ", sequences_, ", but got ", sequence, "."),
      {},
      "sequence",
      std::to_string(sequence)};
}

Result<void> ChunkedDecoder::check_ids(SequenceId sequence, std::span<const TokenId> ids,
                                       std::size_t more) const {
  STROP_CHECK(check_sequence(sequence));
  const auto vocabulary = static_cast<TokenId>(info_.vocabulary_size);
  const auto foreign =
      std::find_if(ids.begin(), ids.end(), [&](TokenId id) { return id < 0 || id >= vocabulary; });
  if (foreign != ids.end()) {
    return Error{ErrorCode::invalid_input,
                 str("[", worker_, "] token ids must be from 0 to ", vocabulary - 1, ", but got ",
                     *foreign, "."),
                 {},
                 "ids",
                 std::to_string(*foreign)};
  }
  const auto held = length(sequence);
  if (held + ids.size() + more <= info_.context_length) return {};
  return Error{ErrorCode::invalid_input,
               str("[", worker_, "] ", held, " tokens and ", ids.size() + more,
                   " more pass the context of ", info_.context_length, "."),
               "Open it with a larger run option context.", "ids"};
}

Result<void> ChunkedDecoder::compute(SequenceId sequence, std::span<const TokenId> ids,
                                     std::span<const std::uint32_t> wanted, const RowSink& sink,
                                     const std::stop_token& stop) {
  std::size_t rows_done = 0;
  for (std::size_t done = 0; done < ids.size();) {
    if (stop.stop_requested())
      return Error{ErrorCode::cancelled, str("[", worker_, "] the computation was stopped.")};
    const auto count = std::min(chunk_, ids.size() - done);
    std::vector<std::uint32_t> rows;
    for (auto next = rows_done; next < wanted.size() && wanted[next] < done + count; ++next)
      rows.push_back(static_cast<std::uint32_t>(wanted[next] - done));
    Result<void> finite;
    const RowSink checked = [&](std::size_t index, std::span<const float> row) {
      if (!finite) return;
      if (all_finite(row)) return sink(rows_done + index, row);
      finite = Error{ErrorCode::backend,
                     str("[", worker_, "] the logits after position ", wanted[rows_done + index],
                         " are not finite."),
                     "The weights or the engine's kernels are broken."};
    };
    STROP_CHECK(append(sequence, ids.subspan(done, count), rows, checked));
    STROP_CHECK(std::move(finite));
    rows_done += rows.size();
    done += count;
  }
  return {};
}

Result<void> ChunkedDecoder::evaluate(SequenceId sequence, std::span<const TokenId> ids,
                                      std::span<const std::uint32_t> wanted, const RowSink& sink) {
  STROP_CHECK(check_ids(sequence, ids, 0));
  const bool ascending =
      std::adjacent_find(wanted.begin(), wanted.end(), std::greater_equal<>()) == wanted.end();
  if (!ascending || (!wanted.empty() && wanted.back() >= ids.size())) {
    return Error{ErrorCode::invalid_input,
                 str("[", worker_, "] wanted positions must be ascending and inside the ids."),
                 {},
                 "wanted"};
  }
  const auto before = length(sequence);
  auto done = compute(sequence, ids, wanted, sink, {});
  if (!done) STROP_CHECK(keep(sequence, before));
  return done;
}

Result<void> ChunkedDecoder::truncate(SequenceId sequence, std::uint32_t wanted) {
  STROP_CHECK(check_sequence(sequence));
  return wanted < length(sequence) ? keep(sequence, wanted) : Result<void>{};
}

Result<void> ChunkedDecoder::fork(SequenceId from, SequenceId to) {
  STROP_CHECK(check_sequence(from));
  STROP_CHECK(check_sequence(to));
  return from == to ? Result<void>{} : copy(from, to);
}

Result<Generation> ChunkedDecoder::generate(SequenceId sequence, std::span<const TokenId> ids,
                                            std::uint32_t count, std::stop_token stop) {
  if (ids.empty() || count == 0) {
    return Error{ErrorCode::invalid_input,
                 str("[", worker_, "] generating needs at least one id and one new token."),
                 {},
                 "ids"};
  }
  STROP_CHECK(check_ids(sequence, ids, count - 1));
  const auto before = length(sequence);
  Generation generation;
  generation.ids.reserve(count);
  generation.seconds.reserve(count);
  const Stopwatch watch;
  const RowSink choose = [&](std::size_t, std::span<const float> row) {
    generation.ids.push_back(argmax(row));
    generation.seconds.push_back(watch.seconds());
  };
  const auto last = static_cast<std::uint32_t>(ids.size() - 1);
  const std::uint32_t only = 0;
  auto done = compute(sequence, ids, {&last, 1}, choose, stop);
  while (done && generation.ids.size() < count) {
    const TokenId newest = generation.ids.back();
    done = compute(sequence, {&newest, 1}, {&only, 1}, choose, stop);
  }
  if (done) return generation;
  STROP_CHECK(keep(sequence, before));
  return std::move(done).error();
}

}  // namespace strop
