#include "convert.h"

#include <algorithm>
#include <openvino/frontend/extension/decoder_transformation.hpp>
#include <openvino/frontend/gguf/adapt_to_genai.hpp>
#include <openvino/frontend/gguf/make_stateful.hpp>
#include <openvino/frontend/manager.hpp>
#include <openvino/openvino.hpp>
#include <openvino/pass/manager.hpp>

#include "core/files.h"
#include "core/stop.h"
#include "engine.h"
#include "formats/gguf.h"
#include "formats/openvino_ir.h"
#include "ir_files.h"
#include "rewrite.h"

namespace fs = std::filesystem;

namespace strop::openvino {
namespace {

namespace gguf_pass = ov::frontend::gguf::pass;

using ModelPtr = std::shared_ptr<ov::Model>;

Result<ModelPtr> read_gguf(const fs::path& gguf) {
  return guard(str("reading ", gguf.filename().string()), [&]() -> Result<ModelPtr> {
    ov::frontend::FrontEndManager manager;
    const auto frontend = manager.load_by_framework("gguf");
    frontend->add_extension(std::make_shared<ov::frontend::DecoderTransformationExtension>(
        [](const ModelPtr& model) { return gguf_pass::GGUFMakeStateful().run_on_model(model); }));
    return frontend->convert(frontend->load(gguf.string()));
  });
}

// Brings the frontend's model into the form of OpenVINO GenAI, with logits of all positions.
Result<void> rewrite(const ModelPtr& model, std::uint32_t context) {
  STROP_CHECK(use_rope_tables(*model, context));
  STROP_CHECK(keep_every_position(*model));
  ov::pass::Manager passes;
  passes.register_pass<gguf_pass::AdaptToGenAI>();
  passes.run_passes(model);
  if (!is_text_decoder(*model))
    return Error{ErrorCode::backend,
                 "[openvino] the converted model lacks the inputs of OpenVINO GenAI's decoders."};
  STROP_CHECK(end_with_logits(*model));
  STROP_CHECK(keep_every_sequence(*model));
  name_operations(*model);
  return {};
}

// Reads the files as a user's engine will, and checks what nobody would notice.
Result<void> check_written(const fs::path& xml, std::uint32_t context) {
  STROP_CHECK(formats::read_openvino_ir(xml));
  ov::Core core;
  const auto model = core.read_model(xml.string());
  STROP_TRY(const auto rows, rope_table_rows(*model));
  if (rows == context) return {};
  return Error{ErrorCode::corrupt, str("[openvino] the position tables have ", rows,
                                       " rows instead of ", context, ".")};
}

}  // namespace

Result<Artifact> convert_gguf(const fs::path& gguf, std::uint32_t context,
                              const Workspace& workspace) {
  std::error_code error;
  const auto bytes = fs::file_size(gguf, error);
  if (error) return file_error("read", gguf, error.value());
  STROP_CHECK(formats::GgufFile::open(gguf));  // the frontend trusts what it reads
  STROP_CHECK(check_space(workspace.dir, bytes + bytes / 8));
  report(workspace, 0.0, "reading the GGUF file");
  STROP_TRY(const auto model, read_gguf(gguf));
  report(workspace, 0.4, "rewriting the graph");
  STROP_CHECK(guard("rewriting the graph", [&] { return rewrite(model, context); }));
  STROP_CHECK(check_stop(workspace.stop));
  report(workspace, 0.5, "writing the IR");
  // Compression would turn the f32 tables into f16; the weights have their type already.
  STROP_CHECK(save_ir(model, Floats::as_they_are, workspace.dir,
                      [context](const fs::path& xml) { return check_written(xml, context); }));
  Artifact artifact = ir_artifact();
  artifact.notes = {str("Positions are encoded by f32 tables of ", context,
                        " rows, so that the model is right in bf16 too.")};
  STROP_CHECK(bring_tokenizer(gguf.parent_path(), workspace.dir, artifact));
  report(workspace, 1.0, "done");
  return artifact;
}

}  // namespace strop::openvino
