// The GGUF file of a decoder, opened in llama.cpp.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "core/chunked_decoder.h"
#include "engine.h"

namespace strop::llama_cpp {

class LlamaSession final : public ChunkedDecoder {
 public:
  // The CPU variant must have been loaded. stop ends a long load.
  static Result<std::unique_ptr<Session>> open(const std::filesystem::path& file, Options options,
                                               std::stop_token stop);

 private:
  class Group;

  LlamaSession(Engine engine, SessionInfo info);

  std::size_t length(SequenceId sequence) const override { return lengths_[sequence]; }
  Result<void> append(SequenceId sequence, std::span<const TokenId> ids,
                      std::span<const std::uint32_t> rows, const RowSink& sink) override;
  Result<void> keep(SequenceId sequence, std::size_t length) override;
  Result<void> copy(SequenceId from, SequenceId to) override;
  Result<std::unique_ptr<DecoderGroup>> group(std::size_t sequences) override;

  // Puts tokens of a sequence into the batch, none of them wanted.
  void put(SequenceId sequence, std::span<const TokenId> ids);
  // Computes the batch.
  Result<void> decode();
  Result<void> hand_out(std::size_t first, std::size_t count, const RowSink& sink) const;

  Engine engine_;
  BatchPtr batch_;
  std::vector<std::uint32_t> lengths_;  // tokens held, per sequence
};

}  // namespace strop::llama_cpp
