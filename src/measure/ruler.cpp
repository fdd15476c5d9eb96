#include "measure/ruler.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>

#include "core/parallel.h"
#include "core/stop.h"
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
      STROP_CHECK(check_stop(stop));
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

Error after(ScoredPosition place, Error error) {
  error.message += str(" after position ", place.position, " of sequence ", place.sequence);
  return error;
}

// Appends the batch to sequence 0, which is emptied where a sequence begins. What use(index, row,
// summary) makes of each wanted row, in their order; it is called from several threads at once.
template <class Value, class Use>
Result<std::vector<Value>> evaluate(DecoderSession& session, const Batch& batch, const Use& use) {
  if (batch.begin == 0) STROP_CHECK(session.truncate(0, 0));
  std::vector<Value> values(batch.wanted.size());
  std::vector<Result<void>> outcomes(values.size());
  std::size_t seen = 0;
  const auto take = [&](const LogitRows& rows) -> Result<void> {
    if (rows.first != seen || rows.count() > values.size() - seen)
      return Error{ErrorCode::backend, str("[measure] the engine gave row ", rows.first,
                                           " where row ", seen, " was due")};
    if (rows.width != session.info().vocabulary_size)
      return Error{ErrorCode::backend,
                   str("[measure] a row of logits must have ", session.info().vocabulary_size,
                       " values, but has ", rows.width)};
    // Row by row, so that all that is made of one finds it in a cache.
    const auto one = [&](std::size_t i) -> Result<void> {
      thread_local std::vector<float> room;
      const std::span<const float> row = rows.row(i, room);
      auto summary = summarise_row(row);
      if (!summary) return after(batch.scored(seen + i), std::move(summary).error());
      STROP_TRY(values[seen + i], use(seen + i, row, *summary));
      return {};
    };
    for_each_parallel(rows.count(), [&](std::size_t i) { outcomes[seen + i] = one(i); });
    for (; seen < rows.first + rows.count(); ++seen) STROP_CHECK(std::move(outcomes[seen]));
    return {};
  };
  STROP_CHECK(session.evaluate(0, batch.ids, batch.wanted, take));
  if (seen != values.size())
    return Error{ErrorCode::backend,
                 str("[measure] the engine must give ", values.size(), " rows, but gave ", seen)};
  return values;
}

// What a scored position gives.
struct Score {
  double kl = 0;
  double kl_error = 0;
  double nll_reference = 0;
  double nll_candidate = 0;
  bool same_top = false;
};

void append(QualitySamples& samples, const Batch& batch, const std::vector<Score>& scores) {
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const ScoredPosition place = batch.scored(i);
    samples.kl.push_back(scores[i].kl);
    samples.nll_reference.push_back(scores[i].nll_reference);
    samples.nll_candidate.push_back(scores[i].nll_candidate);
    samples.top1.push_back(scores[i].same_top ? 1 : 0);
    samples.position.push_back(place.position);
    samples.sequence.push_back(place.sequence);
  }
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
  std::vector<float> logits;  // [wanted][width]
  std::vector<RowSummary> summaries;
};

Result<KeptRows> kept_rows(DecoderSession& session, const Batch& batch) {
  const std::size_t width = session.info().vocabulary_size;
  KeptRows kept{.logits = std::vector<float>(batch.wanted.size() * width), .summaries = {}};
  const auto keep = [&](std::size_t index, std::span<const float> row,
                        const RowSummary& summary) -> Result<RowSummary> {
    std::ranges::copy(row, kept.logits.begin() + static_cast<std::ptrdiff_t>(index * width));
    return summary;
  };
  STROP_TRY(kept.summaries, evaluate<RowSummary>(session, batch, keep));
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
  std::uint64_t done = 0;  // rows
  const BatchUse use = [&](const Batch& batch) -> Result<void> {
    const auto keep = [&](std::size_t index, std::span<const float> row,
                          const RowSummary& summary) -> Result<CompactRow> {
      return compact(row, summary, batch.scored(index).next, shape, mixed(seed + done + index));
    };
    STROP_TRY(const auto rows, evaluate<CompactRow>(reference, batch, keep));
    for (const CompactRow& row : rows) STROP_CHECK(writer.append(row));
    done += rows.size();
    return {};
  };
  STROP_CHECK(for_each_batch(evaluation, progress, stop, use));
  STROP_CHECK(writer.finish());
  return reference.truncate(0, 0);
}

Result<QualitySamples> score(DecoderSession& candidate, const Evaluation& evaluation,
                             ReferenceReader& reference, Progress* progress, std::stop_token stop) {
  STROP_CHECK(check(evaluation, candidate.info()));
  STROP_CHECK(check_reference(reference.header(), evaluation, candidate.info()));
  QualitySamples samples;
  const BatchUse use = [&](const Batch& batch) -> Result<void> {
    STROP_TRY(const auto original, reference.next(batch.wanted.size()));
    const auto compare = [&](std::size_t index, std::span<const float> row,
                             const RowSummary& summary) -> Result<Score> {
      const CompactRow& p = original[index];
      const DivergenceEstimate kl = divergence(p, row, summary);
      return Score{.kl = kl.value,
                   .kl_error = kl.standard_error,
                   .nll_reference = static_cast<double>(p.nll),
                   .nll_candidate = negative_log_likelihood(row, summary, batch.scored(index).next),
                   .same_top = p.top_ids.front() == summary.argmax};
    };
    STROP_TRY(const auto scores, evaluate<Score>(candidate, batch, compare));
    append(samples, batch, scores);
    for (const Score& score : scores) samples.kl_error.push_back(score.kl_error);
    return {};
  };
  STROP_CHECK(for_each_batch(evaluation, progress, stop, use));
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
  const BatchUse use = [&](const Batch& batch) -> Result<void> {
    STROP_TRY(const KeptRows kept, kept_rows(reference, batch));
    const auto compare = [&](std::size_t index, std::span<const float> row,
                             const RowSummary& summary) -> Result<Score> {
      const std::span<const float> p = std::span(kept.logits).subspan(index * width, width);
      const RowSummary& p_summary = kept.summaries[index];
      const TokenId next = batch.scored(index).next;
      return Score{.kl = divergence(p, p_summary, row, summary),
                   .nll_reference = negative_log_likelihood(p, p_summary, next),
                   .nll_candidate = negative_log_likelihood(row, summary, next),
                   .same_top = p_summary.argmax == summary.argmax};
    };
    STROP_TRY(const auto scores, evaluate<Score>(candidate, batch, compare));
    append(samples, batch, scores);
    return {};
  };
  STROP_CHECK(for_each_batch(evaluation, progress, stop, use));
  STROP_CHECK(reference.truncate(0, 0));
  STROP_CHECK(candidate.truncate(0, 0));
  return samples;
}

}  // namespace strop::measure
