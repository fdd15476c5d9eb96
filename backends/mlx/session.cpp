#include "session.h"

#include "core/clock.h"
#include "core/knobs.h"
#include "options.h"

namespace strop::mlx {
namespace {

constexpr SequenceId kSequences = 8;

// A stop is seen between chunks only.
constexpr std::size_t kChunkOnGpu = 512, kChunkOnCpu = 32;

// Sequences with one cache.
class Group final : public DecoderGroup {
 public:
  Group(const Weights& weights, std::size_t sequences) : weights_(weights), sequences_(sequences) {}

  Result<void> append(std::span<const TokenId> ids, const RowSink& sink) override {
    return guard("computing sequences together", [&]() -> Result<void> {
      const auto last = static_cast<std::uint32_t>(ids.size() / sequences_ - 1);
      const auto values = logits(weights_, forward(weights_, cache_, ids, sequences_), {&last, 1});
      const std::size_t width = weights_.config.vocabulary;
      return sink({0, width, {values.data<float>(), sequences_ * width}});
    });
  }

 private:
  const Weights& weights_;
  std::size_t sequences_;
  Cache cache_;
};

}  // namespace

Result<std::unique_ptr<Session>> MlxSession::open(const std::filesystem::path& folder,
                                                  RunOptions options, const std::stop_token& stop) {
  const Stopwatch watch;
  std::string& precision = options.at("precision_hint");
  STROP_TRY(Weights weights, read_weights(folder, precision_asked(precision, has_gpu()), stop));
  precision = word_of(weights.type);
  std::string& asked = options.at("context");
  const std::uint32_t limit = weights.config.context;
  STROP_TRY(const auto context, context_in_force("mlx", asked, limit, limit));
  asked = std::to_string(context);
  SessionInfo info{.vocabulary_size = weights.config.vocabulary,
                   .context_length = context,
                   .run_options = options,
                   .cpu_variant = has_gpu() ? "metal" : str("plain C++, ", precision),
                   .load_seconds = watch.seconds()};
  return std::unique_ptr<Session>(
      new MlxSession(std::move(weights), std::move(info), has_gpu() ? kChunkOnGpu : kChunkOnCpu));
}

MlxSession::MlxSession(Weights weights, SessionInfo info, std::size_t chunk)
    : ChunkedDecoder("mlx", std::move(info), kSequences, chunk), weights_(std::move(weights)) {}

std::size_t MlxSession::length(SequenceId sequence) const {
  const auto found = caches_.find(sequence);
  return found == caches_.end() ? 0 : found->second.length;
}

Result<void> MlxSession::append(SequenceId sequence, std::span<const TokenId> ids,
                                std::span<const std::uint32_t> rows, const RowSink& sink) {
  return guard("computing", [&]() -> Result<void> {
    const auto hidden = forward(weights_, caches_[sequence], ids, 1);
    if (rows.empty()) return {};
    const auto values = logits(weights_, hidden, rows);
    const std::size_t width = info_.vocabulary_size;
    return sink({0, width, {values.data<float>(), rows.size() * width}});
  });
}

Result<void> MlxSession::keep(SequenceId sequence, std::size_t length) {
  caches_[sequence].length = static_cast<std::uint32_t>(length);
  return {};
}

Result<void> MlxSession::copy(SequenceId from, SequenceId to) {
  caches_[to] = caches_[from];
  return {};
}

Result<std::unique_ptr<DecoderGroup>> MlxSession::group(std::size_t sequences) {
  return std::unique_ptr<DecoderGroup>(std::make_unique<Group>(weights_, sequences));
}

}  // namespace strop::mlx
