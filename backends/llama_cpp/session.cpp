#include "session.h"

#include <algorithm>
#include <utility>

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

SessionInfo info_of(const Engine& engine) {
  const auto* vocabulary = llama_model_get_vocab(engine.model.get());
  return {.vocabulary_size = static_cast<std::uint32_t>(llama_vocab_n_tokens(vocabulary)),
          .context_length = engine.options.context,
          .run_options = to_run_options(engine.options),
          .cpu_variant = engine.options.cpu_variant,
          .load_seconds = engine.load_seconds};
}

Error decode_error(int status, std::uint32_t context) {
  if (status == 1) {
    return {ErrorCode::invalid_input,
            str("[llama_cpp] the sequences together pass the context of ", context, " tokens."),
            "Truncate sequences that are done, or open with a larger run option context.", "ids"};
  }
  if (status == 2) return {ErrorCode::cancelled, "[llama_cpp] the computation was stopped."};
  return engine_error(str("the engine failed with status ", status));
}

}  // namespace

// Sequences 0, 1, ... of the session, computed in one batch.
class LlamaSession::Group final : public DecoderGroup {
 public:
  Group(LlamaSession& session, std::size_t sequences) : session_(session), sequences_(sequences) {}
  ~Group() override {
    for (SequenceId sequence = 0; sequence < sequences_; ++sequence)
      (void)session_.keep(sequence, 0);
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  Result<void> append(std::span<const TokenId> ids, const RowSink& sink) override {
    const std::size_t tokens = ids.size() / sequences_;
    session_.batch_->n_tokens = 0;
    for (std::size_t i = 0; i < sequences_; ++i) {
      session_.put(static_cast<SequenceId>(i), ids.subspan(i * tokens, tokens));
      session_.batch_->logits[(i + 1) * tokens - 1] = 1;
    }
    STROP_CHECK(session_.decode());
    return session_.hand_out(0, sequences_, sink);
  }

 private:
  LlamaSession& session_;
  std::size_t sequences_;
};

Result<std::unique_ptr<Session>> LlamaSession::open(const std::filesystem::path& file,
                                                    Options options, std::stop_token stop) {
  STROP_TRY(auto engine, open_engine(file, std::move(options), decoder_params, stop));
  auto info = info_of(engine);
  return std::unique_ptr<Session>(new LlamaSession(std::move(engine), std::move(info)));
}

LlamaSession::LlamaSession(Engine engine, SessionInfo info)
    : ChunkedDecoder("llama_cpp", std::move(info), kSequences, engine.options.batch),
      engine_(std::move(engine)),
      batch_(new llama_batch(
          llama_batch_init(static_cast<std::int32_t>(engine_.options.batch), 0, 1))),
      lengths_(kSequences) {
  llama_set_abort_callback(
      engine_.context.get(),
      [](void* session) { return static_cast<LlamaSession*>(session)->stop_.stop_requested(); },
      this);
}

void LlamaSession::put(SequenceId sequence, std::span<const TokenId> ids) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto at = batch_->n_tokens++;
    batch_->token[at] = ids[i];
    batch_->pos[at] = static_cast<llama_pos>(lengths_[sequence] + i);
    batch_->n_seq_id[at] = 1;
    batch_->seq_id[at][0] = static_cast<llama_seq_id>(sequence);
    batch_->logits[at] = 0;
  }
}

Result<void> LlamaSession::decode() {
  if (const int status = llama_decode(engine_.context.get(), *batch_); status != 0)
    return decode_error(status, info_.context_length);
  for (std::int32_t i = 0; i < batch_->n_tokens; ++i)
    ++lengths_[static_cast<std::size_t>(batch_->seq_id[i][0])];
  return {};
}

// Of the batch decoded last: the rows of its tokens that wanted one lie together, in their order.
Result<void> LlamaSession::hand_out(std::size_t first, std::size_t count,
                                    const RowSink& sink) const {
  if (count == 0) return {};
  const float* logits = llama_get_logits(engine_.context.get());
  if (logits == nullptr) return engine_error("the engine gave no logits");
  const std::size_t width = info_.vocabulary_size;
  return sink({first, width, {logits, count * width}});
}

Result<void> LlamaSession::append(SequenceId sequence, std::span<const TokenId> ids,
                                  std::span<const std::uint32_t> rows, const RowSink& sink) {
  std::size_t rows_done = 0;
  for (std::size_t done = 0; done < ids.size();) {
    const auto rest = rows.subspan(rows_done);
    const std::size_t end = rest.size() > kRowsPerBatch ? rest[kRowsPerBatch] : ids.size();
    const auto wanted = rest.first(std::min(rest.size(), kRowsPerBatch));
    batch_->n_tokens = 0;
    put(sequence, ids.subspan(done, end - done));
    for (const auto position : wanted) batch_->logits[position - done] = 1;
    STROP_CHECK(decode());
    STROP_CHECK(hand_out(rows_done, wanted.size(), sink));
    rows_done += wanted.size();
    done = end;
  }
  return {};
}

Result<void> LlamaSession::keep(SequenceId sequence, std::size_t length) {
  auto* memory = llama_get_memory(engine_.context.get());
  if (!llama_memory_seq_rm(memory, static_cast<llama_seq_id>(sequence),
                           static_cast<llama_pos>(length), -1)) {
    return Error{ErrorCode::unsupported,
                 "[llama_cpp] this model's memory cannot be cut at a position."};
  }
  lengths_[sequence] = static_cast<std::uint32_t>(length);
  return {};
}

Result<void> LlamaSession::copy(SequenceId from, SequenceId to) {
  STROP_CHECK(keep(to, 0));
  llama_memory_seq_cp(llama_get_memory(engine_.context.get()), static_cast<llama_seq_id>(from),
                      static_cast<llama_seq_id>(to), -1, -1);
  lengths_[to] = lengths_[from];
  return {};
}

Result<std::unique_ptr<DecoderGroup>> LlamaSession::group(std::size_t sequences) {
  return std::unique_ptr<DecoderGroup>(std::make_unique<Group>(*this, sequences));
}

}  // namespace strop::llama_cpp
