// Ranges of activations, measured while samples run through the model one after the other.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "formats/onnx_graph.h"
#include "histogram.h"
#include "strop/backend.h"

namespace strop::onnxruntime {

struct Calibrated {
  std::map<std::string, Histogram> histograms;  // of every wanted activation
  std::size_t samples = 0;
};

// Runs each sample of workspace.calibration through the graph with an observer behind each wanted
// activation, all f32. The observed model is written to `file`, beside the graph's own external
// data. One sample and its activations are in memory at a time, however many samples there are.
Result<Calibrated> calibrate(const formats::OnnxGraph& graph, const std::set<std::string>& wanted,
                             const std::filesystem::path& file, const Workspace& workspace);

}  // namespace strop::onnxruntime
