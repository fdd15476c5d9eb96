// What a decoder session is beyond its engine: the checks of every call, prompts computed in chunks
// so that memory stays bounded and a stop is seen, the greedy loop with its clock, and sequences
// that a failed call leaves as they were.
#pragma once

#include "strop/backend.h"

namespace strop {

// Sequences that an engine computes together, empty at first. They are gone with it.
class DecoderGroup {
 public:
  virtual ~DecoderGroup() = default;
  // ids: [sequences][tokens], row-major, at least one token each. The sink gets one row per
  // sequence, in order: the logits that follow its last token.
  virtual Result<void> append(std::span<const TokenId> ids, const RowSink& sink) = 0;
};

class ChunkedDecoder : public DecoderSession {
 public:
  const SessionInfo& info() const final { return info_; }
  Result<void> evaluate(SequenceId sequence, std::span<const TokenId> ids,
                        std::span<const std::uint32_t> wanted, const RowSink& sink) final;
  Result<void> truncate(SequenceId sequence, std::uint32_t length) final;
  Result<void> fork(SequenceId from, SequenceId to) final;
  Result<Generation> generate(SequenceId sequence, std::span<const TokenId> ids,
                              std::uint32_t count, std::stop_token stop) final;
  Result<std::vector<Generation>> generate_together(std::span<const std::vector<TokenId>> prompts,
                                                    std::uint32_t count,
                                                    std::stop_token stop) final;

 protected:
  // worker: the name that begins error messages. Sequences are 0 to sequences - 1. chunk: tokens
  // computed together, at most.
  ChunkedDecoder(std::string worker, SessionInfo info, SequenceId sequences, std::size_t chunk);

  SessionInfo info_;
  std::stop_token stop_;  // of the call in progress, for engines that can be interrupted

 private:
  // The engine's part. Ids, sequences and lengths are valid; a sequence nobody used holds nothing.

  virtual std::size_t length(SequenceId sequence) const = 0;
  // At least one id, at most a chunk. rows: indices into ids, ascending, perhaps none; the sink
  // gets them in order, from 0 on.
  virtual Result<void> append(SequenceId sequence, std::span<const TokenId> ids,
                              std::span<const std::uint32_t> rows, const RowSink& sink) = 0;
  // Keeps the first `length` tokens, at most as many as there are.
  virtual Result<void> keep(SequenceId sequence, std::size_t length) = 0;
  virtual Result<void> copy(SequenceId from, SequenceId to) = 0;
  // Other sequences hold nothing while it lives. Not every engine can.
  virtual Result<std::unique_ptr<DecoderGroup>> group(std::size_t sequences);

  Result<void> check_sequence(SequenceId sequence) const;
  // held: tokens that the sequence has; more: those that come after ids.
  Result<void> check_ids(std::size_t held, std::span<const TokenId> ids, std::size_t more) const;
  Result<void> check_prompts(std::span<const std::vector<TokenId>> prompts,
                             std::uint32_t count) const;
  // The whole of ids in chunks.
  Result<void> compute(SequenceId sequence, std::span<const TokenId> ids,
                       std::span<const std::uint32_t> wanted, const RowSink& sink);
  // The most probable token after the position, from its row; fails where that is not finite.
  Result<TokenId> best_of(std::span<const float> row, std::size_t position) const;

  std::string worker_;
  SequenceId sequences_;
  std::size_t chunk_;
};

}  // namespace strop
