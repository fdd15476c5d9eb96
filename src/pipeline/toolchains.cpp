#include "pipeline/toolchains.h"

#include <array>

#include "core/files.h"
#include "core/lock.h"
#include "core/units.h"
#include "strop/toolchain.h"

namespace fs = std::filesystem;

namespace strop {
namespace {

using toolchain::Environment;
using toolchain::Manifest;

fs::path shipped() { return pipeline::places().share / "toolchains"; }

Result<fs::path> environments() {
  STROP_TRY(const fs::path store, Store::default_root());
  std::error_code error;
  const fs::path root = fs::absolute(store, error) / "toolchains";
  STROP_CHECK(make_folder(root));
  return root;
}

Result<Manifest> find(const std::string& name) {
  STROP_TRY(const auto all, toolchain::read_manifests(shipped()));
  std::string known;
  for (const Manifest& manifest : all) {
    if (manifest.name == name) return manifest;
    known += str(known.empty() ? "" : ", ", manifest.name);
  }
  return Error{
      .code = ErrorCode::invalid_input,
      .message = str("[toolchain] the name must be one of ",
                     known.empty() ? "none, as none is shipped" : known, ", but got ", name, "."),
      .hint = "Try: strop toolchain list",
      .field = "name",
      .value = name};
}

Result<Lock> hold(const std::string& name, const fs::path& root) {
  auto lock = Lock::try_acquire(root / (name + ".lock"), str("the toolchain ", name));
  if (!lock) lock.error().hint = "Wait for the other one to finish.";
  return lock;
}

Result<ToolchainInfo> info_of(const Manifest& manifest, const fs::path& root) {
  STROP_TRY(const Environment environment, toolchain::look(manifest, root));
  ToolchainInfo info{.name = manifest.name,
                     .title = manifest.title,
                     .purpose = manifest.purpose,
                     .download_bytes = manifest.download_bytes,
                     .installed_bytes = manifest.disk_bytes,
                     .problem = environment.problem,
                     .folder = environment.stamp ? environment.folder.string() : "",
                     .python = environment.stamp ? environment.stamp->python : "",
                     .disk_bytes = toolchain::disk_use(root / manifest.name)};
  if (environment.stamp)
    info.state = environment.usable() ? ToolchainState::installed : ToolchainState::broken;
  return info;
}

// Everything that is wrong with an installed one, in one sentence; empty when nothing is.
Result<std::string> problem_of(const Manifest& manifest, const fs::path& root,
                               std::stop_token stop) {
  STROP_TRY(const Environment environment, toolchain::look(manifest, root));
  STROP_TRY(const auto found, toolchain::differences(manifest, environment, stop));
  std::string text;
  for (const std::string& difference : found) text += str(text.empty() ? "" : "; ", difference);
  if (!text.empty()) return text;
  return WorkerBackend(toolchain::worker_command(manifest, root), {}).info().unavailable_reason;
}

Json json_of(const ToolchainInfo& info) {
  constexpr std::array kStates{"not_installed", "installed", "broken"};
  Json json{{"name", info.name},
            {"title", info.title},
            {"purpose", info.purpose},
            {"download_bytes", info.download_bytes},
            {"installed_bytes", info.installed_bytes},
            {"state", kStates.at(static_cast<std::size_t>(info.state))}};
  for (const auto& [name, value] :
       {std::pair("problem", &info.problem), std::pair("folder", &info.folder),
        std::pair("python", &info.python)}) {
    if (!value->empty()) json[name] = *value;
  }
  if (info.disk_bytes) json["disk_bytes"] = *info.disk_bytes;
  return json;
}

}  // namespace

Result<std::vector<ToolchainInfo>> toolchains() {
  STROP_TRY(const auto all, toolchain::read_manifests(shipped()));
  STROP_TRY(const fs::path root, environments());
  std::vector<ToolchainInfo> infos;
  for (const Manifest& manifest : all) {
    STROP_TRY(ToolchainInfo info, info_of(manifest, root));
    infos.push_back(std::move(info));
  }
  return infos;
}

Result<ToolchainInfo> install_toolchain(const std::string& name, Observer& observer,
                                        std::stop_token stop) {
  STROP_TRY(const Manifest manifest, find(name));
  STROP_TRY(const fs::path root, environments());
  STROP_TRY(const Lock lock, hold(name, root));
  const auto tell = [&](Event::Kind kind, double fraction, std::string_view text) {
    observer.on({.kind = kind,
                 .subject = str("toolchain ", name),
                 .fraction = fraction,
                 .text = std::string(text)});
  };
  STROP_TRY(const Environment before, toolchain::look(manifest, root));
  if (before.stamp) {
    tell(Event::Kind::work, 0, "checking");
    STROP_TRY(const std::string problem, problem_of(manifest, root, stop));
    if (problem.empty()) return info_of(manifest, root);
    tell(Event::Kind::note, 0, str(name, " is broken and made anew: ", problem));
  }
  tell(Event::Kind::note, 0,
       str("downloading ", bytes_text(manifest.download_bytes), " for ",
           bytes_text(manifest.disk_bytes), " on disk"));
  const auto work = [&](double fraction, std::string_view text) {
    tell(Event::Kind::work, fraction, text);
  };
  STROP_CHECK(toolchain::make(manifest, root, work, stop));
  tell(Event::Kind::work, 0.99, "starting it");
  STROP_TRY(const std::string problem, problem_of(manifest, root, stop));
  STROP_TRY(ToolchainInfo info, info_of(manifest, root));
  if (problem.empty()) return info;
  return Error{.code = ErrorCode::backend,
               .message = str("[toolchain] ", name, " was installed but does not work: ", problem),
               .hint = str("Try: strop toolchain check ", name),
               .field = "name",
               .value = name};
}

Result<ToolchainInfo> check_toolchain(const std::string& name) {
  STROP_TRY(const Manifest manifest, find(name));
  STROP_TRY(const fs::path root, environments());
  STROP_TRY(ToolchainInfo info, info_of(manifest, root));
  if (info.state == ToolchainState::not_installed) return info;
  STROP_TRY(info.problem, problem_of(manifest, root, {}));
  info.state = info.problem.empty() ? ToolchainState::installed : ToolchainState::broken;
  return info;
}

Result<ToolchainInfo> remove_toolchain(const std::string& name) {
  STROP_TRY(const Manifest manifest, find(name));
  STROP_TRY(const fs::path root, environments());
  STROP_TRY(const Lock lock, hold(name, root));
  STROP_CHECK(toolchain::remove(name, root));
  return info_of(manifest, root);
}

std::string to_json(const std::vector<ToolchainInfo>& all) {
  Json json = Json::array();
  for (const ToolchainInfo& info : all) json.push_back(json_of(info));
  return text_of(json, 2);
}

std::string to_json(const ToolchainInfo& one) { return text_of(json_of(one), 2); }

namespace pipeline {

std::vector<WorkerCommand> toolchain_workers() {
  std::vector<WorkerCommand> workers;
  const auto all = toolchain::read_manifests(shipped());
  const auto root = Store::default_root();
  if (!all || !root) return workers;
  std::error_code error;
  for (const Manifest& manifest : *all)
    workers.push_back(
        toolchain::worker_command(manifest, fs::absolute(*root, error) / "toolchains"));
  return workers;
}

std::map<std::string, std::string> missing_workers() {
  std::map<std::string, std::string> missing;
  for (const WorkerCommand& worker : toolchain_workers()) {
    if (worker.missing) missing[worker.name] = worker.missing->message;
  }
  return missing;
}

}  // namespace pipeline
}  // namespace strop
