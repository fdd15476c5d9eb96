#include "session.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "core/clock.h"

namespace strop::mlx {
namespace {

constexpr SequenceId kSequences = 8;

// A stop is seen between chunks only.
constexpr std::size_t kChunkOnGpu = 512, kChunkOnCpu = 32;

Error invalid(const std::string& field, const std::string& message, const std::string& hint = {}) {
  return Error{.code = ErrorCode::invalid_input,
               .message = "[mlx] " + message,
               .hint = hint,
               .field = field};
}

bool all_finite(std::span<const float> row) {
  return std::all_of(row.begin(), row.end(), [](float value) {
    return std::abs(value) <= std::numeric_limits<float>::max();
  });
}

Result<void> check_wanted(std::span<const std::uint32_t> wanted, std::size_t ids) {
  const bool ascending =
      std::adjacent_find(wanted.begin(), wanted.end(), std::greater_equal<>()) == wanted.end();
  if (ascending && (wanted.empty() || wanted.back() < ids)) return {};
  return invalid("wanted", "wanted positions must be ascending and inside the ids.");
}

}  // namespace

Result<std::unique_ptr<Session>> MlxSession::open(const std::filesystem::path& folder,
                                                  Options options, const std::stop_token& stop) {
  const Stopwatch watch;
  STROP_TRY(Weights weights, read_weights(folder, options.precision_hint, stop));
  const std::uint32_t limit = weights.config.context;
  if (options.context == 0) options.context = limit;
  if (options.context > limit)
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("[mlx] context must be at most ", limit,
                                ", which the model states, but got ", options.context, "."),
                 .field = "context",
                 .value = str(options.context)};
  const std::string precision = word_of(weights.type);
  SessionInfo info{
      .vocabulary_size = weights.config.vocabulary,
      .context_length = options.context,
      .run_options = {{"precision_hint", precision}, {"context", str(options.context)}},
      .cpu_variant = has_gpu() ? "metal" : str("plain C++ ", precision),
      .load_seconds = watch.seconds()};
  return std::unique_ptr<Session>(
      new MlxSession(std::move(weights), std::move(info), has_gpu() ? kChunkOnGpu : kChunkOnCpu));
}

MlxSession::MlxSession(Weights weights, SessionInfo info, std::size_t chunk)
    : weights_(std::move(weights)), info_(std::move(info)), chunk_(chunk) {}

Result<Cache*> MlxSession::cache_at(SequenceId id) {
  if (id < kSequences) return &caches_[id];
  return invalid("sequence", str("sequence must be below ", kSequences, ", but got ", id, "."));
}

Result<void> MlxSession::check_ids(const Cache& cache, std::span<const TokenId> ids) const {
  const auto vocabulary = static_cast<TokenId>(info_.vocabulary_size);
  for (const TokenId id : ids) {
    if (id < 0 || id >= vocabulary)
      return invalid("ids",
                     str("token ids must be from 0 to ", vocabulary - 1, ", but got ", id, "."));
  }
  if (ids.size() <= info_.context_length - cache.length) return {};
  return invalid("ids",
                 str(cache.length, " tokens and ", ids.size(), " more pass the context of ",
                     info_.context_length, "."),
                 "Open it with a larger run option context.");
}

Result<void> MlxSession::hand_out(const mx::array& rows, std::size_t count, std::size_t index,
                                  const RowSink& sink) const {
  for (std::size_t i = 0; i < count; ++i) {
    const std::span row(rows.data<float>() + i * info_.vocabulary_size, info_.vocabulary_size);
    if (!all_finite(row))
      return Error{.code = ErrorCode::backend,
                   .message = "[mlx] the logits are not finite.",
                   .hint = "The weights or the engine's kernels are broken."};
    sink(index + i, row);
  }
  return {};
}

Result<void> MlxSession::decode(Cache& cache, std::span<const TokenId> ids,
                                std::span<const std::uint32_t> wanted, const RowSink& sink,
                                const std::stop_token& stop) {
  std::size_t rows_done = 0;
  for (std::size_t done = 0; done < ids.size();) {
    if (stop.stop_requested())
      return Error{.code = ErrorCode::cancelled, .message = "[mlx] the computation was stopped."};
    const std::size_t end = std::min(done + chunk_, ids.size());
    std::vector<std::int32_t> rows;
    for (std::size_t i = rows_done; i < wanted.size() && wanted[i] < end; ++i)
      rows.push_back(static_cast<std::int32_t>(wanted[i] - done));
    const auto hidden = forward(weights_, cache, ids.subspan(done, end - done));
    if (!rows.empty())
      STROP_CHECK(hand_out(logits(weights_, hidden, rows), rows.size(), rows_done, sink));
    rows_done += rows.size();
    done = end;
  }
  return {};
}

Result<void> MlxSession::evaluate(SequenceId id, std::span<const TokenId> ids,
                                  std::span<const std::uint32_t> wanted, const RowSink& sink) {
  return guard("evaluating", [&]() -> Result<void> {
    STROP_TRY(Cache * cache, cache_at(id));
    STROP_CHECK(check_ids(*cache, ids));
    STROP_CHECK(check_wanted(wanted, ids.size()));
    const std::uint32_t before = cache->length;
    auto done = decode(*cache, ids, wanted, sink, {});
    if (!done) cache->length = before;  // a failed call leaves the sequence as it was
    return done;
  });
}

Result<void> MlxSession::truncate(SequenceId id, std::uint32_t length) {
  STROP_TRY(Cache * cache, cache_at(id));
  cache->length = std::min(cache->length, length);
  return {};
}

Result<void> MlxSession::fork(SequenceId from, SequenceId to) {
  STROP_TRY(const Cache* source, cache_at(from));
  STROP_TRY(Cache * copy, cache_at(to));
  *copy = *source;
  return {};
}

Result<Generation> MlxSession::generate(SequenceId id, std::span<const TokenId> ids,
                                        std::uint32_t count, std::stop_token stop) {
  return guard("generating", [&]() -> Result<Generation> {
    STROP_TRY(Cache * cache, cache_at(id));
    STROP_CHECK(check_ids(*cache, ids));
    if (ids.empty() || count == 0)
      return invalid("ids", "generating needs at least one id and one new token.");
    if (cache->length + ids.size() + count - 1 > info_.context_length)
      return invalid("count",
                     str(ids.size(), " ids and ", count, " new tokens pass the context of ",
                         info_.context_length, "."),
                     "Open it with a larger run option context.");
    const std::uint32_t before = cache->length;
    const Stopwatch watch;
    Generation generation;
    const RowSink choose = [&](std::size_t, std::span<const float> row) {
      generation.ids.push_back(
          static_cast<TokenId>(std::max_element(row.begin(), row.end()) - row.begin()));
      generation.seconds.push_back(watch.seconds());
    };
    const auto last = static_cast<std::uint32_t>(ids.size() - 1);
    const std::uint32_t only = 0;
    auto done = decode(*cache, ids, {&last, 1}, choose, stop);
    while (done && generation.ids.size() < count) {
      const TokenId newest = generation.ids.back();
      done = decode(*cache, {&newest, 1}, {&only, 1}, choose, stop);
    }
    if (done) return generation;
    cache->length = before;
    return std::move(done).error();
  });
}

}  // namespace strop::mlx
