// The quality ruler: how far a candidate's predictions are from the reference's, on the same token
// ids.
#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "measure/evaluation.h"
#include "measure/reference_store.h"
#include "measure/statistics.h"
#include "strop/backend.h"
#include "strop/measurement.h"

namespace strop::measure {

// One value per scored position, in the order of the evaluation. Likelihoods are of the true next
// token, in nats.
struct QualitySamples {
  std::vector<double> kl;        // KL(reference || candidate), nats
  std::vector<double> kl_error;  // its standard error; empty when all are exact
  std::vector<double> nll_reference;
  std::vector<double> nll_candidate;
  std::vector<std::uint8_t> top1;       // 1: both hold the same token most probable
  std::vector<std::uint32_t> position;  // in its sequence
  std::vector<std::uint32_t> sequence;
  std::size_t size() const { return kl.size(); }
  bool operator==(const QualitySamples&) const = default;
};

// What every function below that runs sessions has in common: they use sequence 0 of each session
// and leave it empty; progress may be null; a stop ends with cancelled; rows of another width, not
// finite or all equal with backend.

// One pass of the reference into a store at `path`.
Result<void> make_reference(DecoderSession& reference, const Evaluation& evaluation,
                            const std::filesystem::path& path, std::uint64_t seed,
                            Progress* progress, std::stop_token stop);
// The same with fewer entries to a row: smaller, and the divergence less exact.
Result<void> make_reference(DecoderSession& reference, const Evaluation& evaluation,
                            const std::filesystem::path& path, const CompactShape& shape,
                            std::uint64_t seed, Progress* progress, std::stop_token stop);

// The candidate against a store made with the same evaluation, else invalid_input.
Result<QualitySamples> score(DecoderSession& candidate, const Evaluation& evaluation,
                             ReferenceReader& reference, Progress* progress, std::stop_token stop);

// Both side by side: exact, at the price of running the reference again.
Result<QualitySamples> score_in_step(DecoderSession& reference, DecoderSession& candidate,
                                     const Evaluation& evaluation, Progress* progress,
                                     std::stop_token stop);

// Tokens that are drawn together by the bootstrap: runs of consecutive positions of one sequence.
Clusters clusters_of(const QualitySamples& samples, std::uint32_t run_length);

// What a sequence of the evaluation is of.
struct SequenceName {
  std::string domain;    // empty: none
  std::string sequence;  // document and place
};

struct QualityOptions {
  Resampling resampling = {.resamples = 1000};
  std::uint32_t cluster = 256;           // positions
  std::uint32_t bucket = 256;            // positions
  std::vector<SequenceName> names = {};  // by sequence; may be empty
  std::uint32_t worst = 3;               // sequences that are named
};

// kl_mean (of all, per bucket of positions, and per domain), kl_median, kl_p99, kl_worst_sequence
// (the worst few, each with its name in the context), kl_store_error, top1_agreement, perplexity,
// perplexity_reference and accuracy (of all and per domain) = perplexity_reference / perplexity, as
// docs/metrics.md defines them. samples_path goes into each.
std::vector<Metric> summarise(const QualitySamples& samples, const std::string& samples_path = {},
                              const QualityOptions& options = {});

// The raw samples as JSON: one object of arrays. Appears whole or not at all.
Result<void> write_samples(const QualitySamples& samples, const std::filesystem::path& path);

}  // namespace strop::measure
