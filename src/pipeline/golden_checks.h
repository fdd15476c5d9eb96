// One thing held against a golden record: the tokenizer, rows of logits, generation, samples. Each
// gives a check with its verdict; an error means that nothing can be said.
#pragma once

#include <filesystem>
#include <string>

#include "pipeline/context.h"
#include "pipeline/golden_records.h"
#include "strop/golden.h"

namespace strop::pipeline {

GoldenCheck failed_check(const std::string& record, const std::string& what,
                         const std::string& reason);

Result<GoldenCheck> check_rows(const std::string& record, const GoldenRows& rows, double limit,
                               const std::filesystem::path& folder, DecoderSession& session,
                               std::stop_token stop);

// Texts and conversations, through every tokenizer that the artifact carries.
Result<GoldenCheck> check_tokenizer(const std::string& record, const Golden& golden,
                                    const Artifact& artifact, Context& context);

// Whether generation and evaluation are one model, at the record's brief sequence.
Result<GoldenCheck> check_generation(const GoldenRows& brief, DecoderSession& session,
                                     std::stop_token stop);

// measure::noise_of_record over all samples.
Result<GoldenCheck> check_samples_of(const Record& record, TensorSession& session,
                                     std::stop_token stop);

}  // namespace strop::pipeline
