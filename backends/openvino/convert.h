// To OpenVINO IR: decoders from GGUF through OpenVINO's GGUF frontend, other graphs from ONNX or
// IR.
#pragma once

#include <cstdint>
#include <filesystem>
#include <openvino/core/model.hpp>
#include <string>

#include "strop/backend.h"

namespace strop::openvino {

// Makes openvino_model.xml and .bin in the workspace (the names OpenVINO GenAI looks for), right up
// to `context` positions, and brings along the tokenizer that lies beside the GGUF file. The files
// appear whole.
Result<Artifact> convert_gguf(const std::filesystem::path& gguf, std::uint32_t context,
                              const Workspace& workspace);

struct GraphOptions {
  bool in_16_bits = false;  // floats of the weights; else as they are
  std::string shape = {};   // makes inputs static, see tensors.h; empty: as they are
};

// A graph that is no decoder, read by OpenVINO and written as IR. `format`: onnx or openvino_ir;
// the file is validated first.
Result<Artifact> convert_graph(const std::filesystem::path& file, const std::string& format,
                               const GraphOptions& options, const Workspace& workspace);

// Reads the file as src/formats does, so that the engine gets only what passed.
Result<void> validate_graph(const std::filesystem::path& file, const std::string& format);

// Unsupported when the graph keeps a text's keys and values, as state or as inputs.
Result<void> check_no_decoder(const ov::Model& model);

}  // namespace strop::openvino
