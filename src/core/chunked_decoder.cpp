#include "core/chunked_decoder.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "core/clock.h"
#include "core/logits.h"
#include "core/stop.h"

namespace strop {
namespace {

// Holds the stop token of a call for as long as the call lasts.
class StopScope {
 public:
  StopScope(std::stop_token& place, std::stop_token stop) : place_(place) {
    place_ = std::move(stop);
  }
  ~StopScope() { place_ = {}; }
  StopScope(const StopScope&) = delete;
  StopScope& operator=(const StopScope&) = delete;

 private:
  std::stop_token& place_;
};

// ids [prompts][count] of the prompts from `begin` on.
std::vector<TokenId> columns(std::span<const std::vector<TokenId>> prompts, std::size_t begin,
                             std::size_t count) {
  std::vector<TokenId> ids;
  ids.reserve(prompts.size() * count);
  for (const auto& prompt : prompts) {
    const auto first = prompt.begin() + static_cast<std::ptrdiff_t>(begin);
    ids.insert(ids.end(), first, first + static_cast<std::ptrdiff_t>(count));
  }
  return ids;
}

}  // namespace

ChunkedDecoder::ChunkedDecoder(std::string worker, SessionInfo info, SequenceId sequences,
                               std::size_t chunk)
    : info_(std::move(info)), worker_(std::move(worker)), sequences_(sequences), chunk_(chunk) {}

Result<std::unique_ptr<DecoderGroup>> ChunkedDecoder::group(std::size_t) {
  return Error{ErrorCode::unsupported, str("[", worker_, "] it computes one sequence at a time.")};
}

Result<void> ChunkedDecoder::check_sequence(SequenceId sequence) const {
  if (sequence < sequences_) return {};
  return Error{
      ErrorCode::invalid_input,
      str("[", worker_, "] sequence must be below ", sequences_, ", but got ", sequence, "."),
      {},
      "sequence",
      std::to_string(sequence)};
}

Result<void> ChunkedDecoder::check_ids(std::size_t held, std::span<const TokenId> ids,
                                       std::size_t more) const {
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
  if (held + ids.size() + more <= info_.context_length) return {};
  return Error{ErrorCode::invalid_input,
               str("[", worker_, "] ", held, " tokens and ", ids.size() + more,
                   " more pass the context of ", info_.context_length, "."),
               "Open it with a larger run option context.", "ids"};
}

Result<void> ChunkedDecoder::check_prompts(std::span<const std::vector<TokenId>> prompts,
                                           std::uint32_t count) const {
  const auto wrong = [&](const std::string& what) {
    return Error{ErrorCode::invalid_input, str("[", worker_, "] ", what, "."), {}, "prompts"};
  };
  if (prompts.empty() || prompts.size() > sequences_)
    return wrong(
        str("there must be 1 to ", sequences_, " prompts together, but got ", prompts.size()));
  if (prompts.front().empty() || count == 0)
    return wrong("generating needs at least one id and one new token");
  for (const auto& prompt : prompts) {
    if (prompt.size() != prompts.front().size())
      return wrong(str("prompts computed together must have the same length, but have ",
                       prompts.front().size(), " and ", prompt.size(), " ids"));
    STROP_CHECK(check_ids(0, prompt, count - 1));
  }
  return {};
}

Result<TokenId> ChunkedDecoder::best_of(std::span<const float> row, std::size_t position) const {
  const RowExtremes extremes = extremes_of(row);
  if (extremes.finite) return extremes.leader;
  return Error{ErrorCode::backend,
               str("[", worker_, "] the logits after position ", position, " are not finite."),
               "The weights or the engine's kernels are broken."};
}

Result<void> ChunkedDecoder::compute(SequenceId sequence, std::span<const TokenId> ids,
                                     std::span<const std::uint32_t> wanted, const RowSink& sink) {
  std::size_t rows_done = 0;
  for (std::size_t done = 0; done < ids.size();) {
    STROP_CHECK(check_stop(stop_));
    const auto count = std::min(chunk_, ids.size() - done);
    std::vector<std::uint32_t> rows;
    for (auto next = rows_done; next < wanted.size() && wanted[next] < done + count; ++next)
      rows.push_back(static_cast<std::uint32_t>(wanted[next] - done));
    const RowSink in_place = [&](LogitRows computed) {
      computed.first += rows_done;
      return sink(computed);
    };
    STROP_CHECK(append(sequence, ids.subspan(done, count), rows, in_place));
    rows_done += rows.size();
    done += count;
  }
  return {};
}

Result<void> ChunkedDecoder::evaluate(SequenceId sequence, std::span<const TokenId> ids,
                                      std::span<const std::uint32_t> wanted, const RowSink& sink) {
  STROP_CHECK(check_sequence(sequence));
  STROP_CHECK(check_ids(length(sequence), ids, 0));
  const bool ascending =
      std::adjacent_find(wanted.begin(), wanted.end(), std::greater_equal<>()) == wanted.end();
  if (!ascending || (!wanted.empty() && wanted.back() >= ids.size())) {
    return Error{ErrorCode::invalid_input,
                 str("[", worker_, "] wanted positions must be ascending and inside the ids."),
                 {},
                 "wanted"};
  }
  const auto before = length(sequence);
  auto done = compute(sequence, ids, wanted, sink);
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
  STROP_CHECK(check_sequence(sequence));
  STROP_CHECK(check_ids(length(sequence), ids, count - 1));
  const StopScope scope(stop_, std::move(stop));
  const auto before = length(sequence);
  Generation generation;
  generation.ids.reserve(count);
  generation.seconds.reserve(count);
  const Stopwatch watch;
  const RowSink choose = [&](const LogitRows& rows) -> Result<void> {
    const std::size_t position = before + ids.size() + generation.ids.size() - 1;
    STROP_TRY(const TokenId best, best_of(rows.row(0), position));
    generation.ids.push_back(best);
    generation.seconds.push_back(watch.seconds());
    return {};
  };
  const auto last = static_cast<std::uint32_t>(ids.size() - 1);
  const std::uint32_t only = 0;
  auto done = compute(sequence, ids, {&last, 1}, choose);
  while (done && generation.ids.size() < count) {
    const TokenId newest = generation.ids.back();
    done = compute(sequence, {&newest, 1}, {&only, 1}, choose);
  }
  if (done) return generation;
  STROP_CHECK(keep(sequence, before));
  return std::move(done).error();
}

Result<std::vector<Generation>> ChunkedDecoder::generate_together(
    std::span<const std::vector<TokenId>> prompts, std::uint32_t count, std::stop_token stop) {
  STROP_CHECK(check_prompts(prompts, count));
  for (SequenceId sequence = 0; sequence < sequences_; ++sequence)
    STROP_CHECK(truncate(sequence, 0));
  const StopScope scope(stop_, std::move(stop));
  STROP_TRY(const auto together, group(prompts.size()));
  std::vector<Generation> generations(prompts.size());
  std::vector<TokenId> newest(prompts.size());
  std::size_t position = 0;  // of the last token appended
  const RowSink choose = [&](const LogitRows& rows) -> Result<void> {
    for (std::size_t i = 0; i < rows.count(); ++i) {
      STROP_TRY(newest[rows.first + i], best_of(rows.row(i), position));
    }
    return {};
  };
  const Stopwatch watch;
  const std::size_t length = prompts.front().size();
  const std::size_t chunk = std::max<std::size_t>(1, chunk_ / prompts.size());
  for (std::size_t begin = 0; begin < length; begin += chunk) {
    STROP_CHECK(check_stop(stop_));
    const std::size_t end = std::min(length, begin + chunk);
    position = end - 1;
    STROP_CHECK(together->append(columns(prompts, begin, end - begin), choose));
  }
  while (true) {
    const double now = watch.seconds();
    for (std::size_t i = 0; i < generations.size(); ++i) {
      generations[i].ids.push_back(newest[i]);
      generations[i].seconds.push_back(now);
    }
    if (generations.front().ids.size() == count) return generations;
    STROP_CHECK(check_stop(stop_));
    ++position;
    const std::vector<TokenId> ids = newest;
    STROP_CHECK(together->append(ids, choose));
  }
}

}  // namespace strop
