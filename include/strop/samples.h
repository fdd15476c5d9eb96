// What a model is measured and calibrated on, when it takes tensors and not text: samples, one
// stored npz file each, and what the user knows about them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace strop {

// In pixels of the model's input, x to the right, y down.
struct Box {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  std::int64_t label = 0;
  bool operator==(const Box&) const = default;
};

// What the user knows about one sample; empty where nothing.
struct Label {
  std::optional<std::int64_t> index;  // of the class
  std::vector<Box> boxes;
  std::optional<double> value;
  bool operator==(const Label&) const = default;
};

// A folder's samples.json. Evaluation samples are 000000.npz, 000001.npz and so on, in random
// order, so that the first of them are a fair choice too; calibration samples are in calibration/,
// named alike. No sample is in both.
struct SampleList {
  std::uint32_t count = 0;
  std::uint32_t calibration_count = 0;
  std::uint64_t available = 0;  // samples that the data has, of which these are a seeded choice
  std::string task;             // classification, detection, embedding, regression; empty: not said
  std::string output;           // the output that the task is about; empty: the first
  std::vector<Label> labels;    // one for each evaluation sample, or empty
  std::vector<std::string> sources;  // of each evaluation sample: "cat.png", "data.npz#12"
  std::vector<std::string> notes;    // what was done to the data, in sentences
  bool operator==(const SampleList&) const = default;
};

}  // namespace strop
