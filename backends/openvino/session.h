// A decoder's IR file opened on a device.
#pragma once

#include <map>

#include "core/chunked_decoder.h"
#include "load.h"

namespace strop::openvino {

class OpenVinoSession final : public ChunkedDecoder {
 public:
  // `given`: the run options.
  static Result<std::unique_ptr<Session>> open(Loaded loaded, const RunOptions& given,
                                               const Workspace& workspace);

 private:
  // Each has the states of a request of its own.
  struct Sequence {
    ov::InferRequest request;
    std::vector<TokenId> ids;  // those it holds
  };
  class Group;

  OpenVinoSession(Loaded loaded, SessionInfo info, bool several);

  std::size_t length(SequenceId sequence) const override;
  Result<void> append(SequenceId sequence, std::span<const TokenId> ids,
                      std::span<const std::uint32_t> rows, const RowSink& sink) override;
  Result<void> keep(SequenceId sequence, std::size_t length) override;
  Result<void> copy(SequenceId from, SequenceId to) override;
  Result<std::unique_ptr<DecoderGroup>> group(std::size_t sequences) override;

  Sequence& sequence_at(SequenceId id);
  Result<void> replay(SequenceId id, const std::vector<TokenId>& ids);

  Loaded loaded_;
  bool several_;  // sequences in the states of one request
  std::map<SequenceId, Sequence> sequences_;
};

}  // namespace strop::openvino
