#include "pipeline/golden_records.h"

#include <vector>

#include "core/files.h"
#include "core/json.h"
#include "gate/gate.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

constexpr std::uint64_t kMaxRecordBytes = 4u << 20;

}  // namespace

fs::path original_of(const fs::path& folder) { return folder / str(kOriginalRecord, ".json"); }

Result<void> write_record(const Golden& golden, const fs::path& path) {
  return write_whole(path, text_of(encode(golden), 1) + "\n");
}

Result<Golden> read_record(const fs::path& path) {
  STROP_TRY(const std::string text, read_text(path, kMaxRecordBytes));
  STROP_TRY(const Json json, parse_json(text, path.string()));
  if (json.is_object() && json.value("schema_version", Json()) != Json(Golden{}.schema_version))
    return Error{
        .code = ErrorCode::unsupported,
        .message = str(path.string(), ": schema_version must be ", Golden{}.schema_version),
        .field = "schema_version"};
  return decode<Golden>(json, path.string());
}

RunOptions without_threads(RunOptions options) {
  options.erase("threads");
  return options;
}

std::string own_name(const std::string& backend, const RunOptions& asked) {
  return "own-" +
         id_of({{"backend", backend}, {"run_options", without_threads(asked)}}).substr(0, 12);
}

std::string metric_of_record(const Golden& golden) {
  return golden.rows.empty() ? "noise_ratio" : "kl_mean";
}

Result<double> tolerance_of(const Recipe& recipe, const std::string& metric,
                            const RunOptions& in_force, Context& context) {
  STROP_TRY(const GateRules rules, load_gate_rules(context.where().share / "plan" / "gates.json"));
  const auto limit = divergence_limit(recipe, metric, context.request().goal, rules, in_force);
  if (limit) return *limit;
  return Error{.code = ErrorCode::corrupt,
               .message = str("[golden] gates.json states no tolerance for ", metric),
               .field = metric};
}

bool made_here(const Golden& golden, const std::string& target_id, const std::string& version,
               const std::string& cpu_variant) {
  return golden.kind == GoldenKind::own && golden.target_id == target_id &&
         golden.conditions.engine_version == version &&
         golden.conditions.cpu_variant == cpu_variant;
}

Result<std::optional<Record>> first_record(std::span<const fs::path> files) {
  std::error_code error;
  for (const fs::path& file : files) {
    if (!fs::exists(file, error)) continue;
    auto golden = read_record(file);
    // Left by another version of Strop; a run writes a new one.
    if (!golden && golden.error().code == ErrorCode::unsupported) continue;
    if (!golden) return std::move(golden).error();
    return std::optional(Record{file.parent_path(), file.filename().string(), *std::move(golden)});
  }
  return std::optional<Record>();
}

Result<std::optional<Record>> record_for(const Trial& trial, const RunOptions& asked,
                                         const RunOptions& in_force, const Conditions& now,
                                         const Report& report, Context& context) {
  const fs::path beside = fs::path(trial.artifact->folder) / kGoldenFolder;
  const std::string original = str(kOriginalRecord, ".json");
  std::vector<fs::path> files{beside / (own_name(trial.recipe.backend, asked) + ".json"),
                              beside / original};
  if (!context.out().empty()) files.push_back(context.out() / kGoldenFolder / original);
  STROP_TRY(auto record, first_record(files));
  if (!record) return record;
  record->made_here =
      made_here(record->golden, report.target->id, now.engine_version, now.cpu_variant);
  if (record->golden.kind == GoldenKind::own) {
    record->limit = record->stated_limit();
  } else {
    STROP_TRY(record->limit,
              tolerance_of(trial.recipe, metric_of_record(record->golden), in_force, context));
  }
  return record;
}

}  // namespace strop::pipeline
