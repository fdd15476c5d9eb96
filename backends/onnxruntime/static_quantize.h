// An ONNX model in f32 -> int8 weights and activations, as pairs of QuantizeLinear and
// DequantizeLinear that engines fuse into integer operators.
#pragma once

#include <map>
#include <string>

#include "strop/artifact.h"
#include "strop/backend.h"

namespace strop::onnxruntime {

struct StaticOptions {
  double percentile = 99.999;  // of the activations' values that the range holds; 100: all
  bool per_channel = true;     // weights: a scale per output channel, else one
};

// Parameters of a step: to "onnx", method "static", type "int8", range "percentile" or "minmax",
// percentile (50 to 100), per_channel "on" or "off", and calibration, the most samples, which is
// for who gives them.
Result<StaticOptions> static_options(const std::map<std::string, std::string>& params);

// Writes model.onnx and model.onnx.data into workspace.dir. Weights are symmetric, activations have
// an offset.
Result<Artifact> quantize_static(const std::filesystem::path& model, const StaticOptions& options,
                                 const Workspace& workspace);

}  // namespace strop::onnxruntime
