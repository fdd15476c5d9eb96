// An MLX folder opened for decoding.
#pragma once

#include <filesystem>
#include <map>
#include <memory>

#include "core/chunked_decoder.h"
#include "decoder.h"

namespace strop::mlx {

class MlxSession final : public ChunkedDecoder {
 public:
  // `options` are those in force (options.h), but for what only the folder tells.
  static Result<std::unique_ptr<Session>> open(const std::filesystem::path& folder,
                                               RunOptions options, const std::stop_token& stop);

 private:
  MlxSession(Weights weights, SessionInfo info, std::size_t chunk);

  std::size_t length(SequenceId sequence) const override;
  Result<void> append(SequenceId sequence, std::span<const TokenId> ids,
                      std::span<const std::uint32_t> rows, const RowSink& sink) override;
  Result<void> keep(SequenceId sequence, std::size_t length) override;
  Result<void> copy(SequenceId from, SequenceId to) override;
  Result<std::unique_ptr<DecoderGroup>> group(std::size_t sequences) override;

  Weights weights_;
  std::map<SequenceId, Cache> caches_;
};

}  // namespace strop::mlx
