#include "pipeline/artifact_source.h"

#include <algorithm>

#include "core/files.h"
#include "core/rule_file.h"
#include "formats/model_file.h"
#include "measure/random.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

constexpr std::size_t kShortestId = 6;

bool is_id(const std::string& text) {
  return text.size() >= kShortestId && text.size() <= 64 &&
         text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

Result<fs::path> folder_of_id(const std::string& prefix, const Store& store) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(store.root() / "artifacts", error)) {
    if (entry.path().filename().string().starts_with(prefix)) found.push_back(entry.path());
  }
  if (found.size() == 1) return found.front();
  return Error{
      .code = found.empty() ? ErrorCode::not_found : ErrorCode::invalid_input,
      .message = found.empty()
                     ? str("[measure] there is no file, folder or stored artifact ", prefix)
                     : str("[measure] ", prefix, " is the beginning of ", found.size(),
                           " ids in the store"),
      .hint =
          found.empty() ? "Give a path, or an id as report.json has it." : "Give more of the id.",
      .field = "ARTIFACT",
      .value = prefix};
}

struct Engine {
  std::string format;
  std::string extension;  // of the file that it opens; empty: a folder
  bool has_vocabulary = false;
  std::vector<std::string> workers;  // the preferred first
};

Result<std::vector<Engine>> read_engines(const Context& context) {
  STROP_TRY(const Json json, read_rule_file(context.where().share / "measure" / "engines.json"));
  std::optional<Error> error;
  const RuleReader top(json, "engines.json", error);
  top.only({"engines"});
  std::vector<Engine> engines;
  for (const RuleReader& row : top.rows("engines")) {
    row.only({"format", "extension", "has_vocabulary", "workers", "reason"});
    engines.push_back({row.text("format"), row.text("extension"), row.flag("has_vocabulary"),
                       row.words("workers")});
  }
  if (error) return *std::move(error);
  return engines;
}

// The one file of the folder that an engine opens.
Result<fs::path> entry_of_folder(const fs::path& folder, const std::vector<Engine>& engines) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const bool opens = std::any_of(engines.begin(), engines.end(), [&](const Engine& engine) {
      return !engine.extension.empty() && entry.path().extension() == engine.extension;
    });
    if (opens && entry.path().filename() != kVocabulary && entry.is_regular_file(error))
      found.push_back(entry.path());
  }
  if (found.size() == 1) return found.front();
  return Error{.code = ErrorCode::invalid_input,
               .message = str("[measure] ", folder.string(), " holds ", found.size(),
                              " files that an engine opens, and must hold one"),
               .hint = "Name the file itself.",
               .field = "ARTIFACT",
               .value = folder.string()};
}

bool is_installed(const std::string& worker) {
  const auto programs = installed_workers();
  return std::any_of(programs.begin(), programs.end(), [&](const fs::path& program) {
    return program.filename() == "strop-worker-" + worker;
  });
}

Result<std::string> engine_for(const std::string& format, const fs::path& path,
                               const std::vector<Engine>& engines) {
  std::vector<std::string> workers;
  for (const Engine& engine : engines) {
    if (engine.format == format) workers = engine.workers;
  }
  for (const std::string& worker : workers) {
    if (is_installed(worker)) return worker;
  }
  return Error{.code = workers.empty() ? ErrorCode::invalid_input : ErrorCode::not_found,
               .message = workers.empty()
                              ? str("[measure] ", path.string(), " has the format ", format,
                                    ", which no engine runs as it is")
                              : str("[measure] no engine for the format ", format, " is installed"),
               .hint = workers.empty() ? "Make an artifact of it first: strop run MODEL -o out"
                                       : "strop backends shows what is there.",
               .field = "ARTIFACT",
               .value = path.string()};
}

// Of a model that is a file, what a manifest would list: its engine sees no other file beside it.
Result<std::vector<ArtifactFile>> files_of(const fs::path& entry, const Model& model,
                                           Context& context) {
  STROP_TRY(auto paths, files_of_model(entry, model));
  for (fs::path& path : descriptions_of_model(entry)) paths.push_back(std::move(path));
  std::vector<ArtifactFile> files;
  for (const fs::path& path : paths) {
    ArtifactFile file{.path = path.lexically_relative(entry.parent_path()).string()};
    STROP_TRY(file.sha256, context.store().digest(path));
    std::error_code error;
    file.bytes = fs::file_size(path, error);
    if (error) return file_error("read", path, error.value());
    files.push_back(std::move(file));
  }
  return files;
}

Result<Artifact> without_manifest(const fs::path& path, Context& context) {
  std::error_code error;
  const bool folder = fs::is_directory(path, error);
  const bool described = folder && fs::exists(path / "config.json", error);
  fs::path entry = path;
  STROP_TRY(const auto engines, read_engines(context));
  if (described) {
    entry = path / "config.json";
  } else if (folder) {
    STROP_TRY(entry, entry_of_folder(path, engines));
  }
  STROP_TRY(const Model model, read_model(described ? path : entry));
  Artifact artifact{.format = model.format,
                    .folder = entry.parent_path().string(),
                    .entry = entry.filename().string()};
  STROP_TRY(artifact.backend, engine_for(model.format, path, engines));
  if (!described) {
    STROP_TRY(artifact.files, files_of(entry, model, context));
  }
  STROP_TRY(artifact.id, digest_of_model(folder ? path : entry, model, context));
  artifact.model_id = artifact.id;
  artifact.total_bytes = model.weight_bytes;
  return artifact;
}

Result<Artifact> found_at(const std::string& name, Context& context) {
  std::error_code error;
  if (!fs::exists(name, error) && is_id(name)) {
    STROP_TRY(const fs::path folder, folder_of_id(name, context.store()));
    return read_manifest(folder);
  }
  const fs::path path = fs::weakly_canonical(name, error);
  if (fs::exists(path / kManifest, error)) return read_manifest(path);
  return without_manifest(path, context);
}

}  // namespace

Result<std::string> digest_of_model(const fs::path& path, const Model& model, Context& context) {
  std::error_code error;
  if (fs::is_directory(path, error)) return context.store().digest_tree(path);
  STROP_TRY(auto files, files_of_model(path, model));
  return context.store().digest_files(path.parent_path(), std::move(files));
}

Result<Artifact> artifact_at(const std::string& name, Context& context) {
  const std::size_t colon = name.find(':');
  std::error_code error;
  const bool named = colon != std::string::npos && !fs::exists(name, error);
  STROP_TRY(Artifact artifact, found_at(named ? name.substr(colon + 1) : name, context));
  if (named) artifact.backend = name.substr(0, colon);
  return artifact;
}

Result<fs::path> vocabulary_of(const Artifact& artifact, const Context& context) {
  const fs::path folder = artifact.folder;
  if (is_own_file(folder, kVocabulary)) return folder / kVocabulary;
  STROP_TRY(const auto engines, read_engines(context));
  for (const Engine& engine : engines) {
    if (engine.format == artifact.format && engine.has_vocabulary) return folder / artifact.entry;
  }
  return fs::path();
}

std::vector<TokenId> random_ids(std::size_t count, std::uint32_t vocabulary, std::uint64_t seed) {
  measure::Random random(seed);
  std::vector<TokenId> ids(count);
  for (TokenId& id : ids) id = static_cast<TokenId>(random.below(vocabulary));
  return ids;
}

namespace {

Result<fs::path> known_vocabulary_of(const Artifact& artifact, const Context& context) {
  STROP_TRY(const fs::path file, vocabulary_of(artifact, context));
  if (!file.empty()) return file;
  return Error{.code = ErrorCode::not_found,
               .message = str("no tokenizer lies beside ", artifact.entry)};
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> tokenizer_of(const Artifact& artifact, Context& context) {
  STROP_TRY(const fs::path file, known_vocabulary_of(artifact, context));
  return context.tokenizer(file);
}

Result<EvaluationText> text_for(const Artifact& artifact, Context& context) {
  STROP_TRY(const fs::path file, known_vocabulary_of(artifact, context));
  STROP_TRY(const fs::path scratch, context.scratch());
  std::error_code error;
  fs::create_symlink(file, scratch / kVocabulary, error);
  if (error) return file_error("link", scratch / kVocabulary, error.value());
  Artifact with_vocabulary = artifact;
  with_vocabulary.folder = scratch.string();
  return read_evaluation_text(with_vocabulary, std::nullopt, context);
}

}  // namespace strop::pipeline
