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

// A record's data lie in files of their own beside it. Gives what was written aside its name, which
// begins so and has part of its digest, so that no other content ever takes its place under a
// reader's eyes; sets file and sha256.
Result<void> name_by_content(const std::filesystem::path& aside,
                             const std::filesystem::path& folder, const std::string& begin,
                             const std::string& extension, std::string& file, std::string& sha256);

// Where that file is; corrupt when it is not the one that the record names.
Result<std::filesystem::path> named_file(const std::string& file, const std::string& sha256,
                                         const std::filesystem::path& folder);

Evaluation evaluation_of(const GoldenRows& rows);

// Evaluates the rows' sequences and writes their outputs to a file of the folder that begins with
// prefix and rows.name; sets file and sha256.
Result<void> record_rows(DecoderSession& session, GoldenRows& rows,
                         const std::filesystem::path& folder, const std::string& prefix,
                         std::uint64_t seed, std::stop_token stop);

// KL(record || session) at each recorded position. corrupt when the file of the rows is not as the
// record says.
Result<QualitySamples> compare_rows(DecoderSession& session, const GoldenRows& rows,
                                    const std::filesystem::path& folder, std::stop_token stop);

// What the samples of a record tell of drift, from the share of noise of each (one or more). Where
// the record's own engine, kernels and machine compute it again, the mean: the same numbers are
// expected. Elsewhere a limit is one of a mean over many samples, and among a few one answer that
// turned outweighs the rest; a wrong file, engine or kernel shows in every sample, so the least
// tells.
double noise_of_record(std::span<const double> noise, bool repeats);

// By how many nats the least fitting of `count` greedily generated tokens is less probable than the
// most probable one, when what was generated is evaluated: generation and evaluation are one model.
Result<double> greedy_gap(DecoderSession& session, std::span<const TokenId> prompt,
                          std::uint32_t count, std::stop_token stop);

}  // namespace strop::measure
