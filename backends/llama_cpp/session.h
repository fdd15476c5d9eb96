// The GGUF file of a decoder, opened in llama.cpp.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "engine.h"
#include "strop/backend.h"

namespace strop::llama_cpp {

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
  explicit LlamaSession(Engine engine);

  Result<void> check_sequence(SequenceId sequence) const;
  Result<void> check_ids(SequenceId sequence, std::span<const TokenId> ids) const;
  Result<void> decode(SequenceId sequence, std::span<const TokenId> ids,
                      std::span<const std::uint32_t> wanted, const RowSink& sink);
  Result<void> decode_batch(SequenceId sequence, std::span<const TokenId> ids,
                            std::span<const std::uint32_t> wanted, std::size_t ids_before);
  Result<void> hand_out(std::span<const std::uint32_t> wanted, std::size_t ids_before,
                        std::size_t index, const RowSink& sink) const;
  Error decode_error(int status) const;

  Engine engine_;
  BatchPtr batch_;
  std::vector<std::uint32_t> lengths_;  // tokens held, per sequence
  std::stop_token stop_;  // of the call in progress; asked by the engine while it computes
  SessionInfo info_;
};

}  // namespace strop::llama_cpp
