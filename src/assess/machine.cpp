#include "assess/machine.h"

#include <algorithm>

#include "core/files.h"
#include "core/json.h"

namespace strop {
namespace {

bool has(const Target& target, DeviceKind kind, const std::string& vendor) {
  return std::any_of(target.devices.begin(), target.devices.end(), [&](const Device& device) {
    return device.kind == kind && (vendor.empty() || device.vendor == vendor);
  });
}

std::string names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

bool is_file(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

}  // namespace

std::string platform_of(const Target& target) {
  if (has(target, DeviceKind::tpu, "")) return "edge_tpu";
  if (has(target, DeviceKind::gpu, "nvidia")) return "nvidia";
  if (has(target, DeviceKind::cpu, "apple")) return "apple";
  if (has(target, DeviceKind::cpu, "intel")) return "intel";
  const bool arm = target.arch == "aarch64" || target.arch.starts_with("arm");
  if (!arm) return "other_x86";
  return target.form == TargetForm::phone ? "arm_mobile" : "embedded_arm";
}

std::string id_of_target(const Target& target) {
  Target stable = target;
  stable.id.clear();
  stable.name.clear();
  stable.storage_bytes = 0;
  stable.network = {};
  return id_of(encode(stable));
}

Result<Target> load_target(const std::string& name_or_file,
                           const std::filesystem::path& targets_folder) {
  const std::filesystem::path shipped = targets_folder / (name_or_file + ".json");
  const bool plain_name = name_or_file.find('/') == std::string::npos;
  const bool is_name = plain_name && is_file(shipped.string());
  if (!is_name && !is_file(name_or_file)) {
    return Error{.code = ErrorCode::not_found,
                 .message = str("[assess] target must be a profile or a file, but got \"",
                                name_or_file, "\"."),
                 .hint = str("Profiles: ", names_in(targets_folder), "."),
                 .field = "target",
                 .value = name_or_file};
  }
  const std::filesystem::path path = is_name ? shipped : std::filesystem::path(name_or_file);
  STROP_TRY(const std::string text, read_text(path, 1u << 20));
  STROP_TRY(const Json json, parse_json(text, path.filename().string()));
  STROP_TRY(Target target, decode<Target>(json, path.filename().string()));
  target.local = false;
  if (target.name.empty()) target.name = path.stem().string();
  if (target.platform.empty()) target.platform = platform_of(target);
  target.id = id_of_target(target);
  return target;
}

}  // namespace strop
