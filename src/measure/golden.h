// Rows of a golden record: recorded from one session, compared with another.
#pragma once

#include "measure/ruler.h"
#include "strop/golden.h"

namespace strop::measure {

// What one opening is asked for: cheap enough for every opening of an artifact.
inline constexpr std::uint32_t kGoldenPositions = 32;
// Nats by which an engine's greedy token may be less probable than the most probable one when the
// same ids are evaluated: other kernels, other rounding.
inline constexpr double kGreedySlack = 0.25;

Evaluation evaluation_of(const GoldenRows& rows);

// Evaluates the rows' sequences and writes their outputs to a file of the folder that begins with
// prefix and rows.name; sets file and sha256. The name has part of the digest, so that no other
// content ever takes its place under a reader's eyes.
Result<void> record_rows(DecoderSession& session, GoldenRows& rows,
                         const std::filesystem::path& folder, const std::string& prefix,
                         std::uint64_t seed, std::stop_token stop);

// KL(record || session) at each recorded position. corrupt when the file of the rows is not as the
// record says.
Result<QualitySamples> compare_rows(DecoderSession& session, const GoldenRows& rows,
                                    const std::filesystem::path& folder, std::stop_token stop);

// By how many nats the least fitting of `count` greedily generated tokens is less probable than the
// most probable one, when what was generated is evaluated: generation and evaluation are one model.
Result<double> greedy_gap(DecoderSession& session, std::span<const TokenId> prompt,
                          std::uint32_t count, std::stop_token stop);

}  // namespace strop::measure
