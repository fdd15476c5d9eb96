// From the user's files to numbered samples in a folder.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "strop/backend.h"
#include "strop/samples.h"

namespace strop::data {

struct Request {
  std::filesystem::path data;  // a file or a folder
  std::vector<Port> inputs, outputs;
  std::uint64_t seed = 1;
  std::size_t calibration = 128, evaluation = 512;  // at most
};

// Writes 000000.npz and so on, those of calibration/ and samples.json into workspace.dir. Every
// array is checked against the model's inputs: an error names file, array and value.
Result<SampleList> make_samples(const Request& request, const Workspace& workspace);

}  // namespace strop::data
