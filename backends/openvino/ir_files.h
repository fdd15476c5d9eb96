// The files of an IR artifact: written whole, with the tokenizer of what it was made from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <openvino/core/model.hpp>

#include "strop/backend.h"

namespace strop::openvino {

enum class Floats { as_they_are, in_16_bits };

// openvino_model.xml and .bin, the names that OpenVINO GenAI looks for.
Artifact ir_artifact();

Result<void> check_space(const std::filesystem::path& dir, std::uint64_t needed);

// Writes the model aside, reads it with `check`, and gives it its name.
Result<void> save_ir(const std::shared_ptr<ov::Model>& model, Floats floats,
                     const std::filesystem::path& dir,
                     const std::function<Result<void>(const std::filesystem::path& xml)>& check);

// The tokenizer that lies beside the input travels with the artifact.
Result<void> bring_tokenizer(const std::filesystem::path& from, const std::filesystem::path& to,
                             Artifact& artifact);

void report(const Workspace& workspace, double fraction, std::string_view what);

}  // namespace strop::openvino
