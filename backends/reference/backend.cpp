// The oracle as a worker: llama-type GGUF files in fp32, on short texts. It makes no artifacts.

#include <algorithm>
#include <map>

#include "core/clock.h"
#include "decoder.h"
#include "strop/version.h"
#include "strop/worker.h"
#include "weights.h"

namespace strop::reference {
namespace {

class ReferenceSession : public DecoderSession {
 public:
  ReferenceSession(Weights weights, double load_seconds) : weights_(std::move(weights)) {
    info_.vocabulary_size = weights_.shape.vocabulary;
    info_.context_length = weights_.shape.context;
    info_.cpu_variant = "plain fp32";
    info_.load_seconds = load_seconds;
  }

  const SessionInfo& info() const override { return info_; }

  Result<void> evaluate(SequenceId sequence, std::span<const TokenId> ids,
                        std::span<const std::uint32_t> wanted, const RowSink& sink) override {
    STROP_CHECK(check(sequence, ids, 0));
    std::vector<float> hidden(weights_.shape.width), row(weights_.shape.vocabulary);
    std::size_t next = 0;
    for (std::uint32_t i = 0; i < ids.size(); ++i) {
      step(weights_, caches_[sequence], ids[i], hidden);
      if (next == wanted.size() || wanted[next] != i) continue;
      logits(weights_, hidden, row);
      sink(next++, row);
    }
    if (next != wanted.size())
      return Error{.code = ErrorCode::invalid_input,
                   .message = "[reference] wanted positions must ascend and lie in ids",
                   .field = "wanted"};
    return {};
  }

  Result<void> truncate(SequenceId sequence, std::uint32_t length) override {
    caches_[sequence].truncate(weights_.shape, length);
    return {};
  }

  Result<void> fork(SequenceId from, SequenceId to) override {
    caches_[to] = caches_[from];
    return {};
  }

  Result<Generation> generate(SequenceId sequence, std::span<const TokenId> ids,
                              std::uint32_t count, std::stop_token stop) override {
    STROP_CHECK(check(sequence, ids, count));
    if (ids.empty())
      return Error{.code = ErrorCode::invalid_input,
                   .message = "[reference] a prompt must have at least one token",
                   .field = "ids"};
    const Stopwatch watch;
    std::vector<float> hidden(weights_.shape.width), row(weights_.shape.vocabulary);
    for (TokenId id : ids) step(weights_, caches_[sequence], id, hidden);
    Generation generation;
    while (generation.ids.size() < count) {
      if (stop.stop_requested())
        return Error{.code = ErrorCode::cancelled, .message = "[reference] cancelled"};
      if (!generation.ids.empty()) step(weights_, caches_[sequence], generation.ids.back(), hidden);
      logits(weights_, hidden, row);
      generation.ids.push_back(
          static_cast<TokenId>(std::max_element(row.begin(), row.end()) - row.begin()));
      generation.seconds.push_back(watch.seconds());
    }
    return generation;
  }

 private:
  Result<void> check(SequenceId sequence, std::span<const TokenId> ids, std::uint32_t more) {
    const auto known = [&](TokenId id) {
      return id >= 0 && static_cast<std::uint32_t>(id) < weights_.shape.vocabulary;
    };
    if (!std::all_of(ids.begin(), ids.end(), known))
      return Error{.code = ErrorCode::invalid_input,
                   .message = "[reference] an id is not of the vocabulary",
                   .field = "ids"};
    if (caches_[sequence].length + ids.size() + more > weights_.shape.context)
      return Error{.code = ErrorCode::invalid_input,
                   .message = str("[reference] the context of ", weights_.shape.context,
                                  " tokens would overflow"),
                   .field = "ids"};
    return {};
  }

  Weights weights_;
  SessionInfo info_;
  std::map<SequenceId, Cache> caches_;
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
