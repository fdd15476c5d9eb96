// A decoder's IR file opened on a device.
#pragma once

#include <map>

#include "load.h"

namespace strop::openvino {

class OpenVinoSession final : public DecoderSession {
 public:
  // `given`: the run options.
  static Result<std::unique_ptr<Session>> open(Loaded loaded, const RunOptions& given,
                                               const Workspace& workspace);

  const SessionInfo& info() const override { return info_; }
  Result<void> evaluate(SequenceId sequence, std::span<const TokenId> ids,
                        std::span<const std::uint32_t> wanted, const RowSink& sink) override;
  Result<void> truncate(SequenceId sequence, std::uint32_t length) override;
  Result<void> fork(SequenceId from, SequenceId to) override;
  Result<Generation> generate(SequenceId sequence, std::span<const TokenId> ids,
                              std::uint32_t count, std::stop_token stop) override;

 private:
  // Each has the states of a request of its own.
  struct Sequence {
    ov::InferRequest request;
    std::vector<TokenId> ids;  // those it holds
  };

  OpenVinoSession(Loaded loaded, SessionInfo info);

  Result<Sequence*> sequence_at(SequenceId id);
  Result<void> check_ids(const Sequence& sequence, std::span<const TokenId> ids) const;
  Result<void> decode(Sequence& sequence, std::span<const TokenId> ids,
                      std::span<const std::uint32_t> wanted, const RowSink& sink,
                      std::stop_token stop);
  Result<void> infer(Sequence& sequence, std::span<const TokenId> ids,
                     std::span<const std::uint32_t> wanted, std::size_t ids_before,
                     std::size_t index, const RowSink& sink);
  Result<void> replay(Sequence& sequence, const std::vector<TokenId>& ids);
  Result<void> cut(Sequence& sequence, std::size_t length);

  Loaded loaded_;
  std::map<SequenceId, Sequence> sequences_;
  SessionInfo info_;
};

}  // namespace strop::openvino
