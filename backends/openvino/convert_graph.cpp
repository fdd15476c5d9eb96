#include <algorithm>
#include <openvino/openvino.hpp>

#include "convert.h"
#include "core/files.h"
#include "core/stop.h"
#include "engine.h"
#include "formats/onnx.h"
#include "formats/openvino_ir.h"
#include "ir_files.h"
#include "rewrite.h"
#include "tensors.h"

namespace fs = std::filesystem;

namespace strop::openvino {
namespace {

// Bytes of the graph and its weights, wherever they lie.
Result<std::uint64_t> bytes_of(const fs::path& file, const std::string& format) {
  std::vector<fs::path> parts{file};
  if (format == "openvino_ir") parts.push_back(fs::path(file).replace_extension(".bin"));
  if (format == "onnx") {
    STROP_TRY(const auto external, formats::onnx_external_files(file));
    for (const auto& name : external) parts.push_back(file.parent_path() / name);
  }
  std::uint64_t bytes = 0;
  for (const auto& part : parts) {
    std::error_code error;
    bytes += fs::file_size(part, error);
    if (error) return file_error("read", part, error.value());
  }
  return bytes;
}

}  // namespace

Result<void> validate_graph(const fs::path& file, const std::string& format) {
  if (format == "openvino_ir") {
    STROP_CHECK(formats::read_openvino_ir(file));
    return {};
  }
  if (format == "onnx") {
    STROP_CHECK(formats::read_onnx(file));
    return {};
  }
  return Error{ErrorCode::unsupported,
               str("[openvino] format must be openvino_ir or onnx, but got ", format, "."),
               {},
               "format",
               format};
}

Result<void> check_no_decoder(const ov::Model& model) {
  const auto& inputs = model.inputs();
  const auto cache = std::find_if(inputs.begin(), inputs.end(), [](const auto& input) {
    return input.get_any_name().starts_with("past_key");
  });
  if (model.get_variables().empty() && cache == inputs.end()) return {};
  return Error{ErrorCode::unsupported,
               "[openvino] the graph keeps state from one call to the next, as decoders do, and is "
               "no function of its inputs.",
               "A decoder is made from its Hugging Face folder or GGUF file.", "format"};
}

Result<Artifact> convert_graph(const fs::path& file, const std::string& format,
                               const GraphOptions& options, const Workspace& workspace) {
  STROP_CHECK(validate_graph(file, format));
  STROP_TRY(const auto bytes, bytes_of(file, format));
  STROP_CHECK(check_space(workspace.dir, bytes + bytes / 8));
  report(workspace, 0.0, "reading the graph");
  return guard(str("converting ", file.filename().string()), [&]() -> Result<Artifact> {
    ov::Core core;
    const auto model = core.read_model(file.string());
    STROP_CHECK(check_no_decoder(*model));
    if (!options.shape.empty()) STROP_CHECK(make_static(*model, options.shape, "shape"));
    name_operations(*model);
    STROP_CHECK(check_stop(workspace.stop));
    report(workspace, 0.5, "writing the IR");
    STROP_CHECK(save_ir(model, options.in_16_bits ? Floats::in_16_bits : Floats::as_they_are,
                        workspace.dir,
                        [](const fs::path& xml) { return validate_graph(xml, "openvino_ir"); }));
    Artifact artifact = ir_artifact();
    if (options.in_16_bits) artifact.notes.emplace_back("The weights' floats are in 16 bits.");
    if (!options.shape.empty())
      artifact.notes.push_back(str("The inputs are static: ", options.shape, "."));
    STROP_CHECK(bring_tokenizer(file.parent_path(), workspace.dir, artifact));
    report(workspace, 1.0, "done");
    return artifact;
  });
}

}  // namespace strop::openvino
