#include "session.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "core/clock.h"

namespace strop::llama_cpp {
namespace {

constexpr std::uint32_t kSequences = 8;

// Rows of logits computed together: more would only enlarge the engine's output buffer.
constexpr std::size_t kRowsPerBatch = 256;

ggml_type ggml_type_of(CacheType type) {
  switch (type) {
    case CacheType::f16:
      return GGML_TYPE_F16;
    case CacheType::q8_0:
      return GGML_TYPE_Q8_0;
    case CacheType::f32:
      return GGML_TYPE_F32;
  }
  return GGML_TYPE_F16;
}

Result<llama_context_params> decoder_params(const llama_model& model, const Options& options) {
  if (!llama_model_has_decoder(&model) || llama_model_has_encoder(&model)) {
    return Error{ErrorCode::unsupported,
                 "[llama_cpp] only decoders can be opened, and this model is none."};
  }
  auto params = llama_context_default_params();
  params.n_ctx = options.context;
  params.n_batch = params.n_ubatch = options.batch;
  params.n_seq_max = kSequences;
  params.kv_unified = true;  // a fork shares the cells of its common beginning
  params.type_k = params.type_v = ggml_type_of(options.kv_cache_type);
  return params;
}

// The first of the largest. Lanes let the compiler use vectors; the row is finite.
TokenId argmax(std::span<const float> row) {
  constexpr std::size_t kLanes = 16;
  std::array<float, kLanes> lanes;
  lanes.fill(std::numeric_limits<float>::lowest());
  const std::size_t whole = row.size() - row.size() % kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      lanes[lane] = lanes[lane] < row[i + lane] ? row[i + lane] : lanes[lane];
  float largest = *std::max_element(lanes.begin(), lanes.end());
  for (const float value : row.subspan(whole)) largest = std::max(largest, value);
  return static_cast<TokenId>(std::find(row.begin(), row.end(), largest) - row.begin());
}

// How many ids fit into one batch with at most kRowsPerBatch of the wanted rows; `wanted` starts at
// ids_before.
std::size_t batch_length(std::size_t ids_left, std::size_t batch,
                         std::span<const std::uint32_t> wanted, std::size_t ids_before) {
  const auto length = std::min(ids_left, batch);
  if (wanted.size() <= kRowsPerBatch) return length;
  return std::min(length, std::size_t{wanted[kRowsPerBatch]} - ids_before);
}

Result<void> check_wanted(std::span<const std::uint32_t> wanted, std::size_t ids) {
  const bool ascending =
      std::adjacent_find(wanted.begin(), wanted.end(), std::greater_equal<>()) == wanted.end();
  if (ascending && (wanted.empty() || wanted.back() < ids)) return {};
  return Error{ErrorCode::invalid_input,
               "[llama_cpp] wanted positions must be ascending and inside the ids.",
               {},
               "wanted"};
}

}  // namespace

Result<std::unique_ptr<Session>> LlamaSession::open(const std::filesystem::path& file,
                                                    Options options, std::stop_token stop) {
  STROP_TRY(auto engine, open_engine(file, std::move(options), decoder_params, stop));
  return std::unique_ptr<Session>(new LlamaSession(std::move(engine)));
}

LlamaSession::LlamaSession(Engine engine)
    : engine_(std::move(engine)),
      batch_(new llama_batch(
          llama_batch_init(static_cast<std::int32_t>(engine_.options.batch), 0, 1))),
      lengths_(kSequences) {
  const Options& options = engine_.options;
  const auto* vocabulary = llama_model_get_vocab(engine_.model.get());
  info_ = {static_cast<std::uint32_t>(llama_vocab_n_tokens(vocabulary)), options.context,
           to_run_options(options), options.cpu_variant, engine_.load_seconds};
  llama_set_abort_callback(
      engine_.context.get(),
      [](void* session) { return static_cast<LlamaSession*>(session)->stop_.stop_requested(); },
      this);
}

Result<void> LlamaSession::check_sequence(SequenceId sequence) const {
  if (sequence < lengths_.size()) return {};
  return Error{
      ErrorCode::invalid_input,
      str("[llama_cpp] sequence must be below ", lengths_.size(), ", but got ", sequence, "."),
      {},
      "sequence",
      std::to_string(sequence)};
}

Result<void> LlamaSession::check_ids(SequenceId sequence, std::span<const TokenId> ids) const {
  STROP_CHECK(check_sequence(sequence));
  const auto vocabulary = static_cast<TokenId>(info_.vocabulary_size);
  const auto foreign =
      std::find_if(ids.begin(), ids.end(), [&](TokenId id) { return id < 0 || id >= vocabulary; });
  if (foreign != ids.end()) {
    return Error{ErrorCode::invalid_input,
                 str("[llama_cpp] token ids must be from 0 to ", vocabulary - 1, ", but got ",
                     *foreign, "."),
                 {},
                 "ids",
                 std::to_string(*foreign)};
  }
  if (ids.size() <= info_.context_length - lengths_[sequence]) return {};
  return Error{ErrorCode::invalid_input,
               str("[llama_cpp] ", lengths_[sequence], " tokens and ", ids.size(),
                   " more pass the context of ", info_.context_length, "."),
               "Open it with a larger run option context.", "ids"};
}

Error LlamaSession::decode_error(int status) const {
  if (status == 1) {
    return {ErrorCode::invalid_input,
            str("[llama_cpp] the sequences together pass the context of ", info_.context_length,
                " tokens."),
            "Truncate sequences that are done, or open with a larger run option context.", "ids"};
  }
  if (status == 2) return {ErrorCode::cancelled, "[llama_cpp] the computation was stopped."};
  return engine_error(str("the engine failed with status ", status));
}

Result<void> LlamaSession::decode_batch(SequenceId sequence, std::span<const TokenId> ids,
                                        std::span<const std::uint32_t> wanted,
                                        std::size_t ids_before) {
  batch_->n_tokens = static_cast<std::int32_t>(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    batch_->token[i] = ids[i];
    batch_->pos[i] = static_cast<llama_pos>(lengths_[sequence] + i);
    batch_->n_seq_id[i] = 1;
    batch_->seq_id[i][0] = static_cast<llama_seq_id>(sequence);
    batch_->logits[i] = 0;
  }
  for (const auto position : wanted) batch_->logits[position - ids_before] = 1;
  if (const int status = llama_decode(engine_.context.get(), *batch_); status != 0)
    return decode_error(status);
  lengths_[sequence] += static_cast<std::uint32_t>(ids.size());
  return {};
}

Result<void> LlamaSession::hand_out(std::span<const std::uint32_t> wanted, std::size_t ids_before,
                                    std::size_t index, const RowSink& sink) const {
  for (const auto position : wanted) {
    const float* logits = llama_get_logits_ith(engine_.context.get(),
                                               static_cast<std::int32_t>(position - ids_before));
    if (logits == nullptr) return engine_error("the engine gave no logits");
    const std::span<const float> row(logits, info_.vocabulary_size);
    if (!all_finite(row)) {
      return Error{ErrorCode::backend,
                   str("[llama_cpp] the logits after position ", position, " are not finite."),
                   "The weights or the engine's kernels are broken."};
    }
    sink(index++, row);
  }
  return {};
}

Result<void> LlamaSession::decode(SequenceId sequence, std::span<const TokenId> ids,
                                  std::span<const std::uint32_t> wanted, const RowSink& sink) {
  const auto batch = llama_n_batch(engine_.context.get());
  std::size_t rows_done = 0;
  for (std::size_t done = 0; done < ids.size();) {
    const auto rest = wanted.subspan(rows_done);
    const auto length = batch_length(ids.size() - done, batch, rest, done);
    const auto rows = static_cast<std::size_t>(
        std::lower_bound(rest.begin(), rest.end(), done + length) - rest.begin());
    STROP_CHECK(decode_batch(sequence, ids.subspan(done, length), rest.first(rows), done));
    STROP_CHECK(hand_out(rest.first(rows), done, rows_done, sink));
    rows_done += rows;
    done += length;
  }
  return {};
}

Result<void> LlamaSession::evaluate(SequenceId sequence, std::span<const TokenId> ids,
                                    std::span<const std::uint32_t> wanted, const RowSink& sink) {
  STROP_CHECK(check_ids(sequence, ids));
  STROP_CHECK(check_wanted(wanted, ids.size()));
  const auto before = lengths_[sequence];
  const auto done = decode(sequence, ids, wanted, sink);
  if (!done) (void)truncate(sequence, before);  // a failed call leaves the sequence as it was
  return done;
}

Result<void> LlamaSession::truncate(SequenceId sequence, std::uint32_t length) {
  STROP_CHECK(check_sequence(sequence));
  auto* memory = llama_get_memory(engine_.context.get());
  if (!llama_memory_seq_rm(memory, static_cast<llama_seq_id>(sequence),
                           static_cast<llama_pos>(length), -1)) {
    return Error{ErrorCode::unsupported,
                 "[llama_cpp] this model's memory cannot be cut at a position."};
  }
  lengths_[sequence] = std::min(lengths_[sequence], length);
  return {};
}

Result<void> LlamaSession::fork(SequenceId from, SequenceId to) {
  STROP_CHECK(check_sequence(from));
  STROP_CHECK(check_sequence(to));
  if (from == to) return {};
  STROP_CHECK(truncate(to, 0));
  llama_memory_seq_cp(llama_get_memory(engine_.context.get()), static_cast<llama_seq_id>(from),
                      static_cast<llama_seq_id>(to), -1, -1);
  lengths_[to] = lengths_[from];
  return {};
}

Result<Generation> LlamaSession::generate(SequenceId sequence, std::span<const TokenId> ids,
                                          std::uint32_t count, std::stop_token stop) {
  STROP_CHECK(check_ids(sequence, ids));
  if (ids.empty() || count == 0) {
    return Error{ErrorCode::invalid_input,
                 "[llama_cpp] generating needs at least one id and one new token.",
                 {},
                 "ids"};
  }
  if (lengths_[sequence] + ids.size() + count - 1 > info_.context_length) {
    return Error{ErrorCode::invalid_input,
                 str("[llama_cpp] ", ids.size(), " ids and ", count,
                     " new tokens pass the context of ", info_.context_length, "."),
                 "Open it with a larger run option context.", "count", std::to_string(count)};
  }
  stop_ = stop;
  const auto before = lengths_[sequence];
  Generation generation;
  generation.ids.reserve(count);
  generation.seconds.reserve(count);
  const Stopwatch watch;
  const RowSink choose = [&](std::size_t, std::span<const float> row) {
    generation.ids.push_back(argmax(row));
    generation.seconds.push_back(watch.seconds());
  };
  const std::uint32_t last = static_cast<std::uint32_t>(ids.size() - 1);
  const std::uint32_t only = 0;
  auto done = decode(sequence, ids, {&last, 1}, choose);
  while (done && generation.ids.size() < count) {
    const TokenId newest = generation.ids.back();
    done = stop.stop_requested()
               ? Error{ErrorCode::cancelled, "[llama_cpp] generating was stopped."}
               : decode(sequence, {&newest, 1}, {&only, 1}, choose);
  }
  stop_ = {};
  if (!done) {
    (void)truncate(sequence, before);
    return std::move(done).error();
  }
  return generation;
}

}  // namespace strop::llama_cpp
