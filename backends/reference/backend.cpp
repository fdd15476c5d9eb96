// The oracle as a worker: llama-type GGUF files in fp32, on short texts. It makes no artifacts.

#include "core/chunked_decoder.h"
#include "core/clock.h"
#include "decoder.h"
#include "strop/version.h"
#include "strop/worker.h"
#include "weights.h"

namespace strop::reference {
namespace {

constexpr SequenceId kSequences = 8;
constexpr std::size_t kChunk = 16;  // a stop is seen between chunks only

class ReferenceSession : public ChunkedDecoder {
 public:
  ReferenceSession(Weights weights, double load_seconds)
      : ChunkedDecoder("reference",
                       {.vocabulary_size = weights.shape.vocabulary,
                        .context_length = weights.shape.context,
                        .run_options = {},
                        .cpu_variant = "plain fp32",
                        .load_seconds = load_seconds},
                       kSequences, kChunk),
        weights_(std::move(weights)),
        caches_(kSequences) {}

 private:
  std::size_t length(SequenceId sequence) const override { return caches_[sequence].length; }

  Result<void> append(SequenceId sequence, std::span<const TokenId> ids,
                      std::span<const std::uint32_t> rows, const RowSink& sink) override {
    std::vector<float> hidden(weights_.shape.width), row(weights_.shape.vocabulary);
    std::size_t next = 0;
    for (std::uint32_t i = 0; i < ids.size(); ++i) {
      step(weights_, caches_[sequence], ids[i], hidden);
      if (next == rows.size() || rows[next] != i) continue;
      logits(weights_, hidden, row);
      STROP_CHECK(sink({next++, row.size(), row}));
    }
    return {};
  }

  Result<void> keep(SequenceId sequence, std::size_t length) override {
    caches_[sequence].truncate(weights_.shape, static_cast<std::uint32_t>(length));
    return {};
  }

  Result<void> copy(SequenceId from, SequenceId to) override {
    caches_[to] = caches_[from];
    return {};
  }

  Weights weights_;
  std::vector<Cache> caches_;
};

class ReferenceBackend : public Backend {
 public:
  BackendInfo info() const override { return {.name = "reference", .version = STROP_VERSION}; }

  Fit assess(const Model&, const Target&) const override {
    return {
        .supported = false, .score = 0, .reasons = {"the oracle of the tests, too slow to ship"}};
  }

  RecipeSpace space(const Model&, const Target&) const override { return {}; }

  Result<Artifact> build(const Model&, const Recipe&, std::size_t,
                         const Workspace&) const override {
    return Error{.code = ErrorCode::unsupported, .message = "[reference] it makes no artifacts"};
  }

  Result<std::unique_ptr<Session>> open(const Artifact& artifact, const RunOptions& options,
                                        const Workspace&) const override {
    if (!options.empty()) {
      return Error{.code = ErrorCode::invalid_input,
                   .message = str("[reference] there is no run option ", options.begin()->first),
                   .field = options.begin()->first};
    }
    const Stopwatch watch;
    STROP_TRY(Weights weights,
              read_weights(std::filesystem::path(artifact.folder) / artifact.entry));
    return std::unique_ptr<Session>(
        std::make_unique<ReferenceSession>(std::move(weights), watch.seconds()));
  }
};

}  // namespace
}  // namespace strop::reference

int main(int argc, char** argv) {
  return strop::worker_main(argc, argv, strop::reference::ReferenceBackend{});
}
