// The samples that a tensor model is evaluated and calibrated on, made of the user's data by the
// data worker (docs/data.md), or of text by the model's own tokenizer.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/context.h"
#include "strop/model.h"
#include "strop/samples.h"

namespace strop::pipeline {

struct SampleSet {
  std::filesystem::path folder;           // 000000.npz, 000001.npz, ...
  std::vector<std::uint32_t> evaluation;  // indices of those, in random order: any first ones of
                                          // them are a fair choice
  std::filesystem::path calibration;      // folder of 000000.npz, ...; empty: none
  std::uint32_t calibration_count = 0;
  std::string calibration_id, evaluation_id;  // digests of what the samples are made from
  std::string task;           // classification, detection, embedding, regression; empty: not said
  std::string output;         // that the task is about; empty: the first
  std::vector<Label> labels;  // of evaluation[i] at i, or empty
  std::vector<std::string> notes;  // what was done to the data, in sentences
};

// Whether samples can be made for a model of tensors from what the goal names, as far as that can
// be told without reading them: invalid_input says what is missing.
Result<void> check_samples(const Model& model, const Goal& goal);

// From --data, where there is one; a text encoder without it gets Strop's own text. At most a
// quarter of the samples, and 128, calibrate; they are never evaluated on. invalid_input where data
// is needed and missing, or does not fit the model's inputs: the message names file, input and
// value. A step of the run's journal; the samples themselves lie in the store.
Result<SampleSet> read_samples(const Model& model, Context& context);

// The arrays of one sample, named as the model's inputs, the batch dimension 1 included. `index`: a
// value of SampleSet::evaluation.
Result<std::vector<Tensor>> read_sample(const SampleSet& set, std::uint32_t index);

}  // namespace strop::pipeline
