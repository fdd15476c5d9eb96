// An MLX folder opened for decoding.
#pragma once

#include <filesystem>
#include <map>

#include "decoder.h"
#include "options.h"
#include "strop/backend.h"

namespace strop::mlx {

class MlxSession final : public DecoderSession {
 public:
  static Result<std::unique_ptr<Session>> open(const std::filesystem::path& folder, Options options,
                                               const std::stop_token& stop);

  const SessionInfo& info() const override { return info_; }
  Result<void> evaluate(SequenceId sequence, std::span<const TokenId> ids,
                        std::span<const std::uint32_t> wanted, const RowSink& sink) override;
  Result<void> truncate(SequenceId sequence, std::uint32_t length) override;
  Result<void> fork(SequenceId from, SequenceId to) override;
  Result<Generation> generate(SequenceId sequence, std::span<const TokenId> ids,
                              std::uint32_t count, std::stop_token stop) override;

 private:
  MlxSession(Weights weights, SessionInfo info, std::size_t chunk);

  Result<Cache*> cache_at(SequenceId id);
  Result<void> check_ids(const Cache& cache, std::span<const TokenId> ids) const;
  Result<void> decode(Cache& cache, std::span<const TokenId> ids,
                      std::span<const std::uint32_t> wanted, const RowSink& sink,
                      const std::stop_token& stop);
  Result<void> hand_out(const mx::array& rows, std::size_t count, std::size_t index,
                        const RowSink& sink) const;

  Weights weights_;
  SessionInfo info_;
  std::size_t chunk_;  // tokens computed together
  std::map<SequenceId, Cache> caches_;
};

}  // namespace strop::mlx
