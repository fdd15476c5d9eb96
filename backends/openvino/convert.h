// GGUF -> OpenVINO IR through OpenVINO's GGUF frontend.
#pragma once

#include <cstdint>
#include <filesystem>

#include "strop/backend.h"

namespace strop::openvino {

// Makes openvino_model.xml and .bin in the workspace (the names OpenVINO GenAI looks for), right up
// to `context` positions, and brings along the tokenizer that lies beside the GGUF file. The files
// appear whole.
Result<Artifact> convert_gguf(const std::filesystem::path& gguf, std::uint32_t context,
                              const Workspace& workspace);

}  // namespace strop::openvino
