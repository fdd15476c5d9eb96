#include "measure/ruler.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>

#include "measure/random.h"
#include "measure/row.h"

namespace strop::measure {
namespace {

// Rows of one request: enough to keep an engine busy, few enough to stop soon.
constexpr std::size_t kBatch = 256;

struct ScoredPosition {
  std::uint32_t sequence = 0;
  std::uint32_t position = 0;
  TokenId next = 0;
};

struct Batch {
  std::uint32_t sequence = 0;
  std::uint32_t begin = 0;  // of ids, in the sequence
  std::span<const TokenId> ids;
  std::vector<std::uint32_t> wanted;  // indices into ids
  std::span<const TokenId> next;      // next[i] follows ids[i]

  ScoredPosition scored(std::size_t index) const {
    return {sequence, begin + wanted[index], next[wanted[index]]};
  }
};

using RowUse =
    std::function<Result<void>(const ScoredPosition&, std::span<const float>, const RowSummary&)>;
using BatchUse = std::function<Result<void>(const Batch&)>;

std::size_t most_from(std::size_t begin, const Evaluation& evaluation) {
  if (evaluation.stepped_from == 0) return kBatch;
  return begin < evaluation.stepped_from ? evaluation.stepped_from - begin : 1;
}

// The evaluation in requests, in order. The last id of a sequence predicts nothing known and is
// left out.
Result<void> for_each_batch(const Evaluation& evaluation, Progress* progress, std::stop_token stop,
                            const BatchUse& use) {
  const double total = static_cast<double>(scored_positions(evaluation));
  double done = 0;
  for (std::uint32_t s = 0; s < evaluation.sequences.size(); ++s) {
    const std::span<const TokenId> ids(evaluation.sequences[s]);
    for (std::size_t begin = 0, count = 0; begin + 1 < ids.size(); begin += count) {
      if (stop.stop_requested()) return Error{ErrorCode::cancelled, "[measure] interrupted"};
      count = std::min({kBatch, ids.size() - 1 - begin, most_from(begin, evaluation)});
      Batch batch{s,
                  static_cast<std::uint32_t>(begin),
                  ids.subspan(begin, count),
                  {},
                  ids.subspan(begin + 1, count)};
      for (std::uint32_t i = 0; i < count; ++i)
        if (begin + i >= evaluation.first_scored) batch.wanted.push_back(i);
      STROP_CHECK(use(batch));
      done += static_cast<double>(batch.wanted.size());
      if (progress) progress->report(done / total, "quality");
    }
  }
  return {};
}

// Appends the batch to sequence 0, which is emptied where a sequence begins, and hands each wanted
// row to `use`.
Result<void> evaluate(DecoderSession& session, const Batch& batch, const RowUse& use) {
  if (batch.begin == 0) STROP_CHECK(session.truncate(0, 0));
  Result<void> outcome;
  std::size_t seen = 0;
  const auto take = [&](std::size_t index, std::span<const float> row) -> Result<void> {
    if (index != seen || index >= batch.wanted.size())
      return Error{ErrorCode::backend,
                   str("[measure] the engine gave row ", index, " where row ", seen, " was due")};
    if (row.size() != session.info().vocabulary_size)
      return Error{ErrorCode::backend,
                   str("[measure] a row of logits must have ", session.info().vocabulary_size,
                       " values, but has ", row.size())};
    STROP_TRY(const RowSummary summary, summarise_row(row));
    ++seen;
    return use(batch.scored(index), row, summary);
  };
  STROP_CHECK(session.evaluate(0, batch.ids, batch.wanted,
                               [&](std::size_t index, std::span<const float> row) {
                                 if (outcome) outcome = take(index, row);
                               }));
  STROP_CHECK(outcome);
  if (seen != batch.wanted.size())
    return Error{ErrorCode::backend, str("[measure] the engine must give ", batch.wanted.size(),
                                         " rows, but gave ", seen)};
  return {};
}

void append(QualitySamples& samples, const ScoredPosition& place, double kl, double nll_reference,
            double nll_candidate, bool same_top) {
  samples.kl.push_back(kl);
  samples.nll_reference.push_back(nll_reference);
  samples.nll_candidate.push_back(nll_candidate);
  samples.top1.push_back(same_top ? 1 : 0);
  samples.position.push_back(place.position);
  samples.sequence.push_back(place.sequence);
}

Result<void> check_reference(const ReferenceHeader& header, const Evaluation& evaluation,
                             const SessionInfo& session) {
  if (header.evaluation_digest != digest(evaluation) || header.rows != scored_positions(evaluation))
    return Error{ErrorCode::invalid_input,
                 "[measure] the quality reference was made with another evaluation text"};
  if (header.shape.vocabulary_size != session.vocabulary_size)
    return Error{ErrorCode::invalid_input,
                 str("[measure] the artifact's vocabulary must be the reference's of ",
                     header.shape.vocabulary_size, " tokens, but has ", session.vocabulary_size)};
  return {};
}

struct KeptRows {
  std::vector<float> logits;
  std::vector<RowSummary> summaries;
};

Result<KeptRows> kept_rows(DecoderSession& session, const Batch& batch) {
  KeptRows kept;
  kept.logits.reserve(batch.wanted.size() * session.info().vocabulary_size);
  STROP_CHECK(
      evaluate(session, batch,
               [&](const ScoredPosition&, std::span<const float> row, const RowSummary& summary) {
                 kept.logits.insert(kept.logits.end(), row.begin(), row.end());
                 kept.summaries.push_back(summary);
                 return Result<void>();
               }));
  return kept;
}

}  // namespace

Result<void> make_reference(DecoderSession& reference, const Evaluation& evaluation,
                            const std::filesystem::path& path, std::uint64_t seed,
                            Progress* progress, std::stop_token stop) {
  return make_reference(reference, evaluation, path, shape_for(reference.info().vocabulary_size),
                        seed, progress, stop);
}

Result<void> make_reference(DecoderSession& reference, const Evaluation& evaluation,
                            const std::filesystem::path& path, const CompactShape& shape,
                            std::uint64_t seed, Progress* progress, std::stop_token stop) {
  STROP_CHECK(check(evaluation, reference.info()));
  STROP_TRY(ReferenceWriter writer,
            ReferenceWriter::create(
                path, {shape, scored_positions(evaluation), seed, digest(evaluation)}));
  std::uint64_t row_number = 0;
  const RowUse keep = [&](const ScoredPosition& place, std::span<const float> row,
                          const RowSummary& summary) {
    return writer.append(compact(row, summary, place.next, shape, mixed(seed + row_number++)));
  };
  STROP_CHECK(for_each_batch(evaluation, progress, stop,
                             [&](const Batch& batch) { return evaluate(reference, batch, keep); }));
  STROP_CHECK(writer.finish());
  return reference.truncate(0, 0);
}

Result<QualitySamples> score(DecoderSession& candidate, const Evaluation& evaluation,
                             ReferenceReader& reference, Progress* progress, std::stop_token stop) {
  STROP_CHECK(check(evaluation, candidate.info()));
  STROP_CHECK(check_reference(reference.header(), evaluation, candidate.info()));
  QualitySamples samples;
  const RowUse compare = [&](const ScoredPosition& place, std::span<const float> row,
                             const RowSummary& summary) -> Result<void> {
    STROP_TRY(const CompactRow p, reference.next());
    const DivergenceEstimate kl = divergence(p, row, summary);
    append(samples, place, kl.value, static_cast<double>(p.nll),
           negative_log_likelihood(row, summary, place.next), p.top_ids.front() == summary.argmax);
    samples.kl_error.push_back(kl.standard_error);
    return {};
  };
  STROP_CHECK(for_each_batch(evaluation, progress, stop, [&](const Batch& batch) {
    return evaluate(candidate, batch, compare);
  }));
  STROP_CHECK(candidate.truncate(0, 0));
  return samples;
}

Result<QualitySamples> score_in_step(DecoderSession& reference, DecoderSession& candidate,
                                     const Evaluation& evaluation, Progress* progress,
                                     std::stop_token stop) {
  STROP_CHECK(check(evaluation, reference.info()));
  STROP_CHECK(check(evaluation, candidate.info()));
  const std::size_t width = reference.info().vocabulary_size;
  if (width != candidate.info().vocabulary_size)
    return Error{ErrorCode::invalid_input,
                 str("[measure] the artifact's vocabulary must be the reference's of ", width,
                     " tokens, but has ", candidate.info().vocabulary_size)};
  QualitySamples samples;
  STROP_CHECK(for_each_batch(evaluation, progress, stop, [&](const Batch& batch) -> Result<void> {
    STROP_TRY(const KeptRows kept, kept_rows(reference, batch));
    std::size_t index = 0;
    return evaluate(
        candidate, batch,
        [&](const ScoredPosition& place, std::span<const float> row, const RowSummary& summary) {
          const std::span<const float> p = std::span(kept.logits).subspan(index * width, width);
          const RowSummary& p_summary = kept.summaries[index++];
          append(samples, place, divergence(p, p_summary, row, summary),
                 negative_log_likelihood(p, p_summary, place.next),
                 negative_log_likelihood(row, summary, place.next),
                 p_summary.argmax == summary.argmax);
          return Result<void>();
        });
  }));
  STROP_CHECK(reference.truncate(0, 0));
  STROP_CHECK(candidate.truncate(0, 0));
  return samples;
}

}  // namespace strop::measure
