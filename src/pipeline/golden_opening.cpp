#include "pipeline/golden_opening.h"

#include "assess/machine.h"
#include "pipeline/artifact_source.h"
#include "pipeline/golden_checks.h"
#include "pipeline/golden_records.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

Result<Record> with_limit(Record record, const std::string& engine_version, Session& session,
                          Context& context) {
  STROP_TRY(const Target here, probe_machine(context.store().root()));
  record.made_here = made_here(record.golden, here.id, engine_version, session.info().cpu_variant);
  record.limit = record.made_here ? record.golden.limit : record.golden.limit_elsewhere;
  return record;
}

Result<std::optional<Record>> record_beside(const Artifact& artifact, const RunOptions& asked,
                                            const std::string& engine_version, Session& session,
                                            Context& context) {
  std::error_code error;
  // Without a manifest the folder is no artifact's, and its records may be of something else.
  if (!fs::exists(fs::path(artifact.folder) / kManifest, error)) return std::optional<Record>();
  const fs::path folder = fs::path(artifact.folder) / kGoldenFolder;
  for (const std::string& name :
       {own_name(artifact.backend, asked), std::string(kOriginalRecord)}) {
    const std::string file = name + ".json";
    if (!fs::exists(folder / file, error)) continue;
    auto golden = read_record(folder / file);
    // Left by another version of Strop, whose records a run takes no notice of either.
    if (!golden && golden.error().code == ErrorCode::unsupported) continue;
    if (!golden) return std::move(golden).error();
    STROP_TRY(Record record,
              with_limit({folder, file, *std::move(golden)}, engine_version, session, context));
    return std::optional(std::move(record));
  }
  return std::optional<Record>();
}

Error drifted(const Artifact& artifact, const GoldenCheck& check, const Record& record) {
  const std::string from = check.record.empty()
                               ? std::string("its own evaluation")
                               : "the record " + (record.folder / check.record).string();
  return {
      .code = ErrorCode::backend,
      .message =
          str("[golden] ", (fs::path(artifact.folder) / artifact.entry).string(), " in ",
              artifact.backend, ": ", check.what, " differs from ", from, ": ", check.reason, "."),
      .hint = "A wrong conversion, file, engine or kernel does this; strop verify looks closer.",
      .field = check.what};
}

}  // namespace

Result<void> check_beside(const Artifact& artifact, const RunOptions& asked,
                          const std::string& engine_version, WorkerSession& worker,
                          Context& context) {
  Session& session = worker.session();
  STROP_TRY(const auto record, record_beside(artifact, asked, engine_version, session, context));
  if (!record || record->golden.rows.empty()) return {};
  DecoderSession& decoder = *session.decoder();
  const auto judge = [&](const GoldenCheck& check) -> Result<void> {
    if (check.verdict == Verdict::fail) return drifted(artifact, check, *record);
    return {};
  };
  for (const GoldenRows& rows : record->golden.rows) {
    if (rows.name == "deep") continue;  // strop verify's
    STROP_TRY(const GoldenCheck outputs, check_rows(record->file, rows, record->limit,
                                                    record->folder, decoder, context.stop()));
    STROP_CHECK(judge(outputs));
    if (rows.name != "brief") continue;
    STROP_TRY(const GoldenCheck generation, check_generation(rows, decoder, context.stop()));
    STROP_CHECK(judge(generation));
  }
  if (!context.first_time("tokenizer of " + artifact.id)) return {};
  STROP_TRY(const GoldenCheck tokenizer,
            check_tokenizer(record->file, record->golden, artifact, context));
  return judge(tokenizer);
}

}  // namespace strop::pipeline
