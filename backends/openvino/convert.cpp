#include "convert.h"

#include <algorithm>
#include <openvino/frontend/extension/decoder_transformation.hpp>
#include <openvino/frontend/gguf/adapt_to_genai.hpp>
#include <openvino/frontend/gguf/make_stateful.hpp>
#include <openvino/frontend/manager.hpp>
#include <openvino/openvino.hpp>
#include <openvino/pass/manager.hpp>

#include "core/files.h"
#include "engine.h"
#include "formats/gguf.h"
#include "formats/openvino_ir.h"
#include "rewrite.h"

namespace fs = std::filesystem;

namespace strop::openvino {
namespace {

namespace gguf_pass = ov::frontend::gguf::pass;

// What travels with every artifact, when the input has it.
constexpr auto kVocabulary = "vocab.gguf";
constexpr auto kTokenizer = "tokenizer";

using ModelPtr = std::shared_ptr<ov::Model>;

Result<ModelPtr> read_gguf(const fs::path& gguf) {
  return guard(str("reading ", gguf.filename().string()), [&]() -> Result<ModelPtr> {
    ov::frontend::FrontEndManager manager;
    const auto frontend = manager.load_by_framework("gguf");
    frontend->add_extension(std::make_shared<ov::frontend::DecoderTransformationExtension>(
        [](ModelPtr model) { return gguf_pass::GGUFMakeStateful().run_on_model(model); }));
    return frontend->convert(frontend->load(gguf.string()));
  });
}

bool has_input(const ov::Model& model, const std::string& name) {
  const auto& inputs = model.inputs();
  return std::any_of(inputs.begin(), inputs.end(), [&](const ov::Output<const ov::Node>& input) {
    return input.get_names().count(name) != 0;
  });
}

// Brings the frontend's model into the form of OpenVINO GenAI, with logits of all positions.
Result<void> rewrite(const ModelPtr& model, std::uint32_t context) {
  STROP_CHECK(use_rope_tables(*model, context));
  STROP_CHECK(keep_every_position(*model));
  ov::pass::Manager passes;
  passes.register_pass<gguf_pass::AdaptToGenAI>();
  passes.run_passes(model);
  for (const auto* name : {"input_ids", "attention_mask", "position_ids", "beam_idx"}) {
    if (!has_input(*model, name))
      return Error{ErrorCode::backend,
                   str("[openvino] the converted model lacks the input ", name, ".")};
  }
  STROP_CHECK(end_with_logits(*model));
  name_operations(*model);
  return {};
}

Result<void> check_space(const fs::path& dir, std::uint64_t needed) {
  std::error_code error;
  const auto space = fs::space(dir, error);
  if (error || space.available >= needed) return {};
  return Error{ErrorCode::no_space,
               str("[openvino] ", dir.string(), " has ", space.available, " bytes free, but ",
                   needed, " are needed."),
               "Free space there and run the same command again; finished work is kept."};
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

// Syncs, then renames; the folder is synced by the caller.
Result<void> publish(const fs::path& from, const fs::path& to) {
  STROP_CHECK(sync_file(from));
  std::error_code error;
  fs::rename(from, to, error);
  if (error) return file_error("rename to", to, error.value());
  return {};
}

Result<void> save(const ModelPtr& model, std::uint32_t context, const fs::path& dir) {
  const auto aside = dir / ".part";
  std::error_code error;
  fs::create_directories(aside, error);
  if (error) return file_error("create", aside, error.value());
  STROP_CHECK(guard("writing the model", [&]() -> Result<void> {
    // Compression would turn the f32 tables into f16; the weights have their type already.
    constexpr bool compress_to_f16 = false;
    ov::save_model(model, (aside / "openvino_model.xml").string(), compress_to_f16);
    return check_written(aside / "openvino_model.xml", context);
  }));
  STROP_CHECK(publish(aside / "openvino_model.bin", dir / "openvino_model.bin"));
  STROP_CHECK(publish(aside / "openvino_model.xml", dir / "openvino_model.xml"));
  fs::remove_all(aside, error);
  return sync_folder(dir);
}

// A link where the file system has them, else a copy; the store never changes a file in place.
Result<void> bring(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  fs::create_hard_link(from, to, error);
  if (!error) return {};
  const auto aside = to.parent_path() / str(".", to.filename().string(), ".part");
  if (!fs::copy_file(from, aside, fs::copy_options::overwrite_existing, error))
    return file_error("copy", from, error.value());
  return publish(aside, to);
}

Result<void> bring_tokenizer(const fs::path& from, const fs::path& to, Artifact& artifact) {
  std::vector<fs::path> names;
  std::error_code error;
  if (fs::is_regular_file(from / kVocabulary, error)) names.emplace_back(kVocabulary);
  for (const auto& entry : fs::directory_iterator(from / kTokenizer, error)) {
    if (entry.is_regular_file(error))
      names.push_back(fs::path(kTokenizer) / entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  for (const auto& name : names) {
    STROP_CHECK(bring(from / name, to / name));
    artifact.files.push_back({.path = name.string()});
  }
  return {};
}

void report(const Workspace& workspace, double fraction, std::string_view what) {
  if (workspace.progress != nullptr) workspace.progress->report(fraction, what);
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
  if (workspace.stop.stop_requested())
    return Error{ErrorCode::cancelled, "[openvino] the conversion was stopped."};
  report(workspace, 0.5, "writing the IR");
  STROP_CHECK(save(model, context, workspace.dir));
  Artifact artifact{.format = "openvino_ir", .entry = "openvino_model.xml"};
  artifact.files = {{.path = "openvino_model.xml"}, {.path = "openvino_model.bin"}};
  artifact.notes = {str("Positions are encoded by f32 tables of ", context,
                        " rows, so that the model is right in bf16 too.")};
  STROP_CHECK(bring_tokenizer(gguf.parent_path(), workspace.dir, artifact));
  report(workspace, 1.0, "done");
  return artifact;
}

}  // namespace strop::openvino
