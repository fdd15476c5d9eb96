#include "ir_files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <openvino/openvino.hpp>

#include "core/files.h"
#include "engine.h"

namespace fs = std::filesystem;

namespace strop::openvino {
namespace {

constexpr auto kXml = "openvino_model.xml";
constexpr auto kBin = "openvino_model.bin";

// What travels with every artifact, when the input has it: of decoders the first two, of encoders
// the files that lie beside the graph.
constexpr auto kVocabulary = "vocab.gguf";
constexpr auto kTokenizer = "tokenizer";
constexpr std::array kBeside{"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                             "vocab.txt", "config.json"};

// Syncs, then renames; the folder is synced by the caller.
Result<void> publish(const fs::path& from, const fs::path& to) {
  STROP_CHECK(sync_file(from));
  std::error_code error;
  fs::rename(from, to, error);
  if (error) return file_error("rename to", to, error.value());
  return {};
}

// A hard link where the file system has them, else a copy; the store never changes a file in place.
Result<void> bring(const fs::path& from, const fs::path& to) {
  STROP_CHECK(make_folder(to.parent_path()));
  std::error_code error;
  fs::create_hard_link(fs::canonical(from, error), to, error);
  if (!error) return {};
  const auto aside = to.parent_path() / str(".", to.filename().string(), ".part");
  if (!fs::copy_file(from, aside, fs::copy_options::overwrite_existing, error))
    return file_error("copy", from, error.value());
  return publish(aside, to);
}

}  // namespace

Artifact ir_artifact() {
  return {.format = "openvino_ir", .entry = kXml, .files = {{.path = kXml}, {.path = kBin}}};
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

Result<void> save_ir(const std::shared_ptr<ov::Model>& model, Floats floats, const fs::path& dir,
                     const std::function<Result<void>(const fs::path& xml)>& check) {
  const auto aside = dir / ".part";
  STROP_CHECK(make_folder(aside));
  errno = 0;
  auto saved = guard("writing the model", [&]() -> Result<void> {
    ov::save_model(model, (aside / kXml).string(), floats == Floats::in_16_bits);
    return {};
  });
  const int reason = errno;
  if (saved) saved = guard("reading it back", [&] { return check(aside / kXml); });
  if (!saved && is_of_disk(reason)) return file_error("write", dir / kBin, reason);
  STROP_CHECK(std::move(saved));
  STROP_CHECK(publish(aside / kBin, dir / kBin));
  STROP_CHECK(publish(aside / kXml, dir / kXml));
  std::error_code ignored;
  fs::remove_all(aside, ignored);
  return sync_folder(dir);
}

Result<void> bring_tokenizer(const fs::path& from, const fs::path& to, Artifact& artifact) {
  std::vector<fs::path> names;
  const auto add = [&](const fs::path& name) {
    std::error_code error;
    if (!fs::is_regular_file(from / name, error)) return;
    if (is_own_file(from, name))
      names.push_back(name);
    else
      artifact.notes.push_back(
          str(name.string(), " is left out: it links to a file outside of the model's folder."));
  };
  add(kVocabulary);
  for (const char* name : kBeside) add(name);
  for (const auto& file : sorted_entries(from / kTokenizer))
    add(fs::path(kTokenizer) / file.filename());
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

}  // namespace strop::openvino
