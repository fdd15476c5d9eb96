#include "toolchain/manifest.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/rule_file.h"

namespace fs = std::filesystem;

namespace strop::toolchain {
namespace {

constexpr double kMostBytes = 1e12;

std::uint64_t bytes_in(const RuleReader& reader, const std::string& name) {
  const double bytes = reader.number(name);
  if (bytes >= 1 && bytes <= kMostBytes) return static_cast<std::uint64_t>(bytes);
  reader.refuse(name, "must be a number of bytes");
  return 0;
}

Version version_in(const RuleReader& reader, const std::string& name) {
  if (const auto version = parse_version(reader.text(name))) return *version;
  reader.refuse(name, "must be a version of Python such as 3.11");
  return {};
}

Result<Manifest> read_manifest(const fs::path& folder) {
  const fs::path file = folder / "toolchain.json";
  STROP_TRY(const Json json, read_rule_file(file));
  std::optional<Error> error;
  const RuleReader reader(json, file.string(), error);
  reader.only({"name", "title", "purpose", "python_oldest", "python_newest", "download_bytes",
               "disk_bytes", "environment", "builds"});
  Manifest manifest{.name = reader.text("name"),
                    .title = reader.text("title"),
                    .purpose = reader.text("purpose"),
                    .python_oldest = version_in(reader, "python_oldest"),
                    .python_newest = version_in(reader, "python_newest"),
                    .download_bytes = bytes_in(reader, "download_bytes"),
                    .disk_bytes = bytes_in(reader, "disk_bytes"),
                    .environment = reader.words_by_name("environment"),
                    .folder = folder};
  if (reader.has("builds")) {
    const RuleReader row = reader.object("builds");
    row.only({"plain", "accelerated", "download_bytes"});
    manifest.builds = Builds{.plain = row.text("plain"),
                             .accelerated = row.text("accelerated"),
                             .download_bytes = bytes_in(row, "download_bytes")};
  }
  if (manifest.name != folder.filename()) reader.refuse("name", "must be that of the folder");
  if (error) return *error;
  return manifest;
}

}  // namespace

std::optional<Version> parse_version(std::string_view text) {
  Version version;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, version.major);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '.') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, version.minor);
  if (second.ec != std::errc() || (second.ptr != end && *second.ptr != '.')) return std::nullopt;
  return version;
}

std::string to_text(const Version& version) { return str(version.major, ".", version.minor); }

Result<std::vector<Manifest>> read_manifests(const fs::path& folder) {
  std::vector<Manifest> manifests;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (!fs::exists(entry.path() / "toolchain.json", error)) continue;
    STROP_TRY(Manifest manifest, read_manifest(entry.path()));
    manifests.push_back(std::move(manifest));
  }
  std::sort(manifests.begin(), manifests.end(),
            [](const Manifest& one, const Manifest& other) { return one.name < other.name; });
  return manifests;
}

}  // namespace strop::toolchain
