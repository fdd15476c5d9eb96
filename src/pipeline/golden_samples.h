// Samples of a tensor model in a golden record: recorded from one session, compared with another.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "strop/backend.h"
#include "strop/golden.h"

namespace strop::pipeline {

// Computes the inputs and writes them and the output of that name (empty: the first that is no
// whole number) to a file of the folder that begins with prefix and sample.name; sets file and
// sha256.
Result<void> record_sample(TensorSession& session, std::span<const Tensor> inputs,
                           const std::string& output, GoldenSample& sample,
                           const std::filesystem::path& folder, const std::string& prefix);

struct RecordedSample {
  std::vector<Tensor> inputs;
  Tensor output;  // f32
};

// corrupt when the file of the sample is not as the record says.
Result<RecordedSample> read_recorded(const GoldenSample& sample,
                                     const std::filesystem::path& folder);

// The share of noise of the session's output, the record's being the signal.
Result<double> compare_sample(TensorSession& session, const GoldenSample& sample,
                              const std::filesystem::path& folder);

}  // namespace strop::pipeline
