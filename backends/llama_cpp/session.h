// A GGUF file opened in llama.cpp.
#pragma once

#include <ggml-cpu.h>
#include <llama.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "options.h"
#include "strop/backend.h"

namespace strop::llama_cpp {

struct FreeModel {
  void operator()(llama_model* model) const { llama_model_free(model); }
};
struct FreeContext {
  void operator()(llama_context* context) const { llama_free(context); }
};
struct FreeThreadpool {
  void (*free)(ggml_threadpool*);
  void operator()(ggml_threadpool* pool) const { free(pool); }
};
struct FreeBatch {
  void operator()(llama_batch* batch) const {
    llama_batch_free(*batch);
    delete batch;
  }
};
using ModelPtr = std::unique_ptr<llama_model, FreeModel>;
using ContextPtr = std::unique_ptr<llama_context, FreeContext>;
using ThreadpoolPtr = std::unique_ptr<ggml_threadpool, FreeThreadpool>;
using BatchPtr = std::unique_ptr<llama_batch, FreeBatch>;

class LlamaSession final : public DecoderSession {
 public:
  // The CPU variant must have been loaded. stop ends a long load.
  static Result<std::unique_ptr<Session>> open(const std::filesystem::path& file, Options options,
                                               std::stop_token stop);

  const SessionInfo& info() const override { return info_; }
  Result<void> evaluate(SequenceId sequence, std::span<const TokenId> ids,
                        std::span<const std::uint32_t> wanted, const RowSink& sink) override;
  Result<void> truncate(SequenceId sequence, std::uint32_t length) override;
  Result<void> fork(SequenceId from, SequenceId to) override;
  Result<Generation> generate(SequenceId sequence, std::span<const TokenId> ids,
                              std::uint32_t count, std::stop_token stop) override;

 private:
  LlamaSession(ModelPtr model, ThreadpoolPtr threadpool, ContextPtr context, const Options& options,
               double load_seconds);

  Result<void> check_sequence(SequenceId sequence) const;
  Result<void> check_ids(SequenceId sequence, std::span<const TokenId> ids) const;
  Result<void> decode(SequenceId sequence, std::span<const TokenId> ids,
                      std::span<const std::uint32_t> wanted, const RowSink& sink);
  Result<void> decode_batch(SequenceId sequence, std::span<const TokenId> ids,
                            std::span<const std::uint32_t> wanted, std::size_t ids_before);
  Result<void> hand_out(std::span<const std::uint32_t> wanted, std::size_t ids_before,
                        std::size_t index, const RowSink& sink) const;
  Error decode_error(int status) const;

  ModelPtr model_;
  ThreadpoolPtr threadpool_;
  ContextPtr context_;  // before the two above in destruction
  BatchPtr batch_;
  std::vector<std::uint32_t> lengths_;  // tokens held, per sequence
  std::stop_token stop_;  // of the call in progress; asked by the engine while it computes
  SessionInfo info_;
};

}  // namespace strop::llama_cpp
