#include "session.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <openvino/openvino.hpp>
#include <utility>

#include "engine.h"
#include "rewrite.h"

namespace strop::openvino {
namespace {

using Clock = std::chrono::steady_clock;

constexpr SequenceId kSequences = 8;

// Tokens computed together. More gain nothing, and a stop is seen between chunks only.
constexpr std::size_t kChunk = 512;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

bool all_finite(std::span<const float> row) {
  bool finite = true;
  for (const float value : row) finite &= std::abs(value) <= std::numeric_limits<float>::max();
  return finite;
}

TokenId argmax(std::span<const float> row) {
  return static_cast<TokenId>(std::max_element(row.begin(), row.end()) - row.begin());
}

template <class T>
ov::Tensor tensor_of(ov::element::Type type, ov::Shape shape, const std::vector<T>& values) {
  ov::Tensor tensor(type, shape);
  std::copy(values.begin(), values.end(), tensor.data<T>());
  return tensor;
}

Result<void> check_wanted(std::span<const std::uint32_t> wanted, std::size_t ids) {
  const bool ascending =
      std::adjacent_find(wanted.begin(), wanted.end(), std::greater_equal<>()) == wanted.end();
  if (ascending && (wanted.empty() || wanted.back() < ids)) return {};
  return Error{ErrorCode::invalid_input,
               "[openvino] wanted positions must be ascending and inside the ids.",
               {},
               "wanted"};
}

// Tokens a sequence may hold: those asked for, or all that the artifact was made for.
Result<std::uint32_t> context_in_force(std::uint32_t limit, RunOptions& options) {
  auto& asked = options.at("context");
  if (asked.empty()) asked = std::to_string(limit);
  const auto context = number_of(options, "context");
  if (context <= limit) return context;
  return Error{ErrorCode::invalid_input,
               str("[openvino] context must be at most ", limit,
                   ", for which the artifact was made, but got ", asked, "."),
               {},
               "context",
               asked};
}

Error stopped(const char* what) {
  return {ErrorCode::cancelled, str("[openvino] ", what, " was stopped.")};
}

}  // namespace

Result<std::unique_ptr<Session>> OpenVinoSession::open(Loaded loaded, const RunOptions& given,
                                                       const Workspace& workspace) {
  STROP_CHECK(choose(loaded, SessionKind::decoder, given, workspace));
  STROP_TRY(const auto limit, most_positions(*loaded.model));
  STROP_TRY(const auto context, context_in_force(limit, loaded.options));
  STROP_CHECK(select_wanted_rows(*loaded.model));
  STROP_CHECK(compile(loaded));
  auto info = info_of(loaded);
  const auto width = loaded.compiled.output("logits").get_partial_shape()[2].get_length();
  info.vocabulary_size = static_cast<std::uint32_t>(width);
  info.context_length = context;
  return std::unique_ptr<Session>(new OpenVinoSession(std::move(loaded), std::move(info)));
}

OpenVinoSession::OpenVinoSession(Loaded loaded, SessionInfo info)
    : loaded_(std::move(loaded)), info_(std::move(info)) {}

Result<OpenVinoSession::Sequence*> OpenVinoSession::sequence_at(SequenceId id) {
  if (id >= kSequences) {
    return Error{ErrorCode::invalid_input,
                 str("[openvino] sequence must be below ", kSequences, ", but got ", id, "."),
                 {},
                 "sequence",
                 std::to_string(id)};
  }
  auto found = sequences_.find(id);
  if (found == sequences_.end())
    found = sequences_.emplace(id, Sequence{loaded_.compiled.create_infer_request(), {}}).first;
  return &found->second;
}

Result<void> OpenVinoSession::check_ids(const Sequence& sequence,
                                        std::span<const TokenId> ids) const {
  const auto vocabulary = static_cast<TokenId>(info_.vocabulary_size);
  const auto foreign =
      std::find_if(ids.begin(), ids.end(), [&](TokenId id) { return id < 0 || id >= vocabulary; });
  if (foreign != ids.end()) {
    return Error{
        ErrorCode::invalid_input,
        str("[openvino] token ids must be from 0 to ", vocabulary - 1, ", but got ", *foreign, "."),
        {},
        "ids",
        std::to_string(*foreign)};
  }
  if (ids.size() <= info_.context_length - sequence.ids.size()) return {};
  return Error{ErrorCode::invalid_input,
               str("[openvino] ", sequence.ids.size(), " tokens and ", ids.size(),
                   " more pass the context of ", info_.context_length, "."),
               "Open it with a larger run option context.", "ids"};
}

// `wanted` starts at ids_before, the number of ids of the call that are done; index counts wanted
// positions.
Result<void> OpenVinoSession::infer(Sequence& sequence, std::span<const TokenId> ids,
                                    std::span<const std::uint32_t> wanted, std::size_t ids_before,
                                    std::size_t index, const RowSink& sink) {
  const auto count = ids.size();
  std::vector<std::int64_t> positions(count);
  std::iota(positions.begin(), positions.end(), static_cast<std::int64_t>(sequence.ids.size()));
  std::vector<std::int32_t> rows;
  for (const auto position : wanted)
    rows.push_back(static_cast<std::int32_t>(position - ids_before));
  if (rows.empty())
    rows.push_back(static_cast<std::int32_t>(count - 1));  // kernels want at least one

  auto& request = sequence.request;
  const auto whole = ov::element::i64;
  request.set_tensor("input_ids",
                     tensor_of<std::int64_t>(whole, {1, count}, {ids.begin(), ids.end()}));
  request.set_tensor("position_ids", tensor_of(whole, {1, count}, positions));
  const auto total = sequence.ids.size() + count;
  request.set_tensor("attention_mask",
                     tensor_of(whole, {1, total}, std::vector<std::int64_t>(total, 1)));
  request.set_tensor("beam_idx", tensor_of<std::int32_t>(ov::element::i32, {1}, {0}));
  request.set_tensor("wanted_rows", tensor_of(ov::element::i32, {rows.size()}, rows));
  request.infer();
  sequence.ids.insert(sequence.ids.end(), ids.begin(), ids.end());

  const auto logits = request.get_tensor("logits");
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::span<const float> row(logits.data<const float>() + i * info_.vocabulary_size,
                                     info_.vocabulary_size);
    if (!all_finite(row)) {
      return Error{ErrorCode::backend,
                   str("[openvino] the logits after position ", wanted[i], " are not finite."),
                   "The weights or the engine's kernels are broken."};
    }
    sink(index + i, row);
  }
  return {};
}

Result<void> OpenVinoSession::decode(Sequence& sequence, std::span<const TokenId> ids,
                                     std::span<const std::uint32_t> wanted, const RowSink& sink,
                                     std::stop_token stop) {
  std::size_t rows_done = 0;
  for (std::size_t done = 0; done < ids.size();) {
    if (stop.stop_requested()) return stopped("the computation");
    const auto length = std::min(kChunk, ids.size() - done);
    const auto rest = wanted.subspan(rows_done);
    const auto rows = static_cast<std::size_t>(
        std::lower_bound(rest.begin(), rest.end(), done + length) - rest.begin());
    STROP_CHECK(
        infer(sequence, ids.subspan(done, length), rest.first(rows), done, rows_done, sink));
    rows_done += rows;
    done += length;
  }
  return {};
}

// Computes the kept ids again: the plug-in hands out its cached keys and values in f16 only,
// whatever it holds, so that a state read, cut and written back is not the state it was.
Result<void> OpenVinoSession::replay(Sequence& sequence, const std::vector<TokenId>& ids) {
  sequence.request.reset_state();
  sequence.ids.clear();
  return decode(sequence, ids, {}, {}, {});
}

Result<void> OpenVinoSession::cut(Sequence& sequence, std::size_t length) {
  if (length >= sequence.ids.size()) return {};
  const auto begin = sequence.ids.begin();
  return replay(sequence, {begin, begin + static_cast<std::ptrdiff_t>(length)});
}

Result<void> OpenVinoSession::evaluate(SequenceId id, std::span<const TokenId> ids,
                                       std::span<const std::uint32_t> wanted, const RowSink& sink) {
  return guard("evaluating", [&]() -> Result<void> {
    STROP_TRY(auto* sequence, sequence_at(id));
    STROP_CHECK(check_ids(*sequence, ids));
    STROP_CHECK(check_wanted(wanted, ids.size()));
    const auto before = sequence->ids.size();
    const auto done = decode(*sequence, ids, wanted, sink, {});
    if (!done) STROP_CHECK(cut(*sequence, before));  // a failed call leaves the sequence as it was
    return done;
  });
}

Result<void> OpenVinoSession::truncate(SequenceId id, std::uint32_t length) {
  return guard("truncating", [&]() -> Result<void> {
    STROP_TRY(auto* sequence, sequence_at(id));
    return cut(*sequence, length);
  });
}

Result<void> OpenVinoSession::fork(SequenceId from_id, SequenceId to_id) {
  return guard("copying a sequence", [&]() -> Result<void> {
    STROP_TRY(auto* from, sequence_at(from_id));
    STROP_TRY(auto* to, sequence_at(to_id));
    if (from == to) return {};
    return replay(*to, from->ids);
  });
}

Result<Generation> OpenVinoSession::generate(SequenceId id, std::span<const TokenId> ids,
                                             std::uint32_t count, std::stop_token stop) {
  return guard("generating", [&]() -> Result<Generation> {
    STROP_TRY(auto* sequence, sequence_at(id));
    STROP_CHECK(check_ids(*sequence, ids));
    if (ids.empty() || count == 0) {
      return Error{ErrorCode::invalid_input,
                   "[openvino] generating needs at least one id and one new token.",
                   {},
                   "ids"};
    }
    if (sequence->ids.size() + ids.size() + count - 1 > info_.context_length) {
      return Error{ErrorCode::invalid_input,
                   str("[openvino] ", ids.size(), " ids and ", count,
                       " new tokens pass the context of ", info_.context_length, "."),
                   "Open it with a larger run option context.", "count", std::to_string(count)};
    }
    const auto before = sequence->ids.size();
    Generation generation;
    generation.ids.reserve(count);
    generation.seconds.reserve(count);
    const auto start = Clock::now();
    const RowSink choose = [&](std::size_t, std::span<const float> row) {
      generation.ids.push_back(argmax(row));
      generation.seconds.push_back(seconds_since(start));
    };
    const auto last = static_cast<std::uint32_t>(ids.size() - 1);
    const std::uint32_t only = 0;
    auto done = decode(*sequence, ids, {&last, 1}, choose, stop);
    while (done && generation.ids.size() < count) {
      const TokenId newest = generation.ids.back();
      done = decode(*sequence, {&newest, 1}, {&only, 1}, choose, stop);
    }
    if (!done) {
      STROP_CHECK(cut(*sequence, before));
      return std::move(done).error();
    }
    return generation;
  });
}

}  // namespace strop::openvino
