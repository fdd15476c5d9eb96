#include "pipeline/golden.h"

#include <algorithm>
#include <array>
#include <functional>

#include "assess/machine.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "measure/golden.h"
#include "pipeline/artifact_source.h"
#include "pipeline/golden_checks.h"
#include "pipeline/golden_prompts.h"
#include "pipeline/golden_records.h"
#include "pipeline/golden_samples.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

bool is_quick(const GoldenRows& rows) { return rows.name != "deep"; }

Error drifted(const std::string& subject, const GoldenCheck& check, const fs::path& where) {
  return {
      .code = ErrorCode::backend,
      .message = str("[golden] ", subject, ": ", check.what, " differs from ",
                     check.record.empty() ? std::string("its own evaluation")
                                          : "the record " + (where / check.record).string(),
                     ": ", check.reason, "."),
      .hint = "A wrong conversion, file, engine or kernel does this; strop verify looks closer.",
      .field = check.what};
}

// Opens the original and writes its record, filled by `fill`, once per run.
template <class Fill>
Result<void> record_once(const Trial& reference, const Json& inputs, const Report& report,
                         Context& context, const Fill& fill) {
  const fs::path folder = context.out() / kGoldenFolder;
  const auto make = [&]() -> Result<bool> {
    STROP_CHECK(make_folder(folder));
    STROP_TRY(const auto worker, open(reference, report, context));
    Golden golden{.kind = GoldenKind::original,
                  .model_id = report.model->id,
                  .artifact_id = reference.artifact->id,
                  .target_id = report.target->id,
                  .backend = reference.recipe.backend,
                  .run_options = without_threads(options_for(reference, report)),
                  .conditions = conditions_of(reference, *worker, report)};
    STROP_CHECK(fill(golden, worker->session(), folder));
    STROP_CHECK(write_record(golden, original_of(folder)));
    return true;
  };
  STROP_CHECK(context.step<bool>(Stage::measure, "golden record of the original", inputs, make));
  // The journal may remember a record that somebody removed since.
  std::error_code error;
  if (!fs::exists(original_of(folder), error)) STROP_CHECK(make());
  return {};
}

using Judge = std::function<Result<void>(const GoldenCheck&)>;  // an error ends the checks

// What the session computes, against the record; at an opening only what is quick.
Result<void> check_outputs(const Record& record, bool only_quick, Session& session,
                           const Judge& judge, std::stop_token stop) {
  if (!record.golden.samples.empty()) {
    STROP_TRY(const GoldenCheck check, check_samples_of(record, *session.tensors(), stop));
    STROP_CHECK(judge(check));
  }
  for (const GoldenRows& rows : record.golden.rows) {
    if (only_quick && !is_quick(rows)) continue;
    DecoderSession& decoder = *session.decoder();
    STROP_TRY(const GoldenCheck check,
              check_rows(record.file, rows, record.limit, record.folder, decoder, stop));
    STROP_CHECK(judge(check));
    if (rows.name != "brief") continue;
    STROP_TRY(const GoldenCheck generation, check_generation(rows, decoder, stop));
    STROP_CHECK(judge(generation));
  }
  return {};
}

// As much as an opening has time for. subject: what was opened, in the error's words.
Result<void> check_against(const Record& record, const std::string& subject,
                           const Artifact& artifact, Session& session, Context& context) {
  const Judge judge = [&](const GoldenCheck& check) -> Result<void> {
    if (check.verdict == Verdict::fail) return drifted(subject, check, record.folder);
    return {};
  };
  STROP_CHECK(check_outputs(record, true, session, judge, context.stop()));
  if (record.golden.rows.empty() || !context.first_time("tokenizer of " + artifact.id)) return {};
  STROP_TRY(const GoldenCheck tokenizer,
            check_tokenizer(record.file, record.golden, artifact, context));
  return judge(tokenizer);
}

// The original's record with this artifact's limit. Its files first: what a record names is always
// there.
Result<void> copy_original(const Golden& golden, const fs::path& from, const fs::path& to) {
  std::vector<std::string> files;
  for (const GoldenRows& rows : golden.rows) files.push_back(rows.file);
  for (const GoldenSample& sample : golden.samples) files.push_back(sample.file);
  for (const std::string& file : files) {
    STROP_TRY(const std::string bytes, read_text(from / file));
    STROP_CHECK(write_whole(to / file, bytes));
  }
  return write_record(golden, original_of(to));
}

// What the artifact itself computes, in place of the original's outputs.
Result<void> record_own(Golden& golden, const std::string& name, const fs::path& from,
                        const fs::path& to, WorkerSession& worker, std::uint64_t seed,
                        std::stop_token stop) {
  for (GoldenRows& rows : golden.rows)
    STROP_CHECK(measure::record_rows(*worker.session().decoder(), rows, to, name, seed, stop));
  for (GoldenSample& sample : golden.samples) {
    STROP_TRY(const RecordedSample recorded, read_recorded(sample, from));
    STROP_CHECK(record_sample(*worker.session().tensors(), recorded.inputs, recorded.output.name,
                              sample, to, name));
  }
  return write_record(golden, to / (name + ".json"));
}

}  // namespace

Result<void> record_original(const Trial& reference, const Report& report, Context& context) {
  STROP_TRY(const GoldenPrompts prompts, read_golden_prompts(context.where().share));
  STROP_TRY(const std::string prompts_id,
            sha256_file(context.where().share / "golden" / "golden.json"));
  return record_once(
      reference, {{"artifact", reference.artifact->id}, {"prompts", prompts_id}}, report, context,
      [&](Golden& golden, Session& session, const fs::path& folder) -> Result<void> {
        STROP_TRY(const auto tokenizer,
                  context.tokenizer(fs::path(reference.artifact->folder) / kVocabulary));
        STROP_CHECK(fill_texts(golden, prompts, *tokenizer));
        STROP_TRY(golden.rows,
                  golden_sequences(prompts, *tokenizer, session.info().context_length));
        for (GoldenRows& rows : golden.rows)
          STROP_CHECK(measure::record_rows(*session.decoder(), rows, folder, kOriginalRecord,
                                           report.goal.seed, context.stop()));
        return {};
      });
}

Result<void> record_original(const Trial& reference, const GoldenInputs& inputs,
                             const Report& report, Context& context) {
  return record_once(
      reference, {{"artifact", reference.artifact->id}, {"samples", inputs.id}}, report, context,
      [&](Golden& golden, Session& session, const fs::path& folder) -> Result<void> {
        for (std::size_t i = 0; i < inputs.samples.size(); ++i) {
          golden.samples.push_back({.name = str("sample", i + 1), .file = {}, .sha256 = {}});
          STROP_CHECK(record_sample(*session.tensors(), inputs.samples[i], inputs.output,
                                    golden.samples.back(), folder, kOriginalRecord));
        }
        return {};
      });
}

Result<void> check_opened(const Trial& trial, const RunOptions& asked, Session& session,
                          const Conditions& now, const Report& report, Context& context) {
  // Its engine is too slow here for even a few prompts; its agreement with its stand-in is checked.
  if (trial.recipe.stand_in) return {};
  STROP_TRY(const auto record,
            record_for(trial, asked, session.info().run_options, now, report, context));
  if (!record) return {};
  return check_against(*record, str(trial.recipe.backend, " ", trial.recipe.name), *trial.artifact,
                       session, context);
}

Result<void> check_beside(const Artifact& artifact, const RunOptions& asked,
                          const std::string& engine_version, WorkerSession& worker,
                          Context& context) {
  std::error_code error;
  const fs::path folder = artifact.folder;
  // Without a manifest the folder is no artifact's, and its records may be of something else.
  if (!fs::exists(folder / kManifest, error)) return {};
  const fs::path beside = folder / kGoldenFolder;
  STROP_TRY(auto record,
            first_record(std::array{beside / (own_name(artifact.backend, asked) + ".json"),
                                    original_of(beside)}));
  if (!record) return {};
  STROP_TRY(const Target here, probe_machine(context.store().root()));
  Session& session = worker.session();
  record->made_here =
      made_here(record->golden, here.id, engine_version, session.info().cpu_variant);
  record->limit = record->stated_limit();
  return check_against(*record, str((folder / artifact.entry).string(), " in ", artifact.backend),
                       artifact, session, context);
}

Result<void> attach_records(const Trial& trial, double distance, WorkerSession& worker,
                            const Report& report, Context& context) {
  const fs::path from = context.out() / kGoldenFolder;
  const fs::path to = fs::path(trial.artifact->folder) / kGoldenFolder;
  std::error_code error;
  if (!fs::exists(original_of(from), error)) return {};
  STROP_TRY(Golden golden, read_record(original_of(from)));
  const std::string metric = metric_of_record(golden);
  STROP_TRY(const double tolerance,
            tolerance_of(trial.recipe, metric, worker.session().info().run_options, context));
  if (!(distance <= tolerance)) return {};
  STROP_CHECK(make_folder(to));
  STROP_CHECK(refuse_links(to));
  golden.limit = golden.limit_elsewhere = tolerance;
  STROP_CHECK(copy_original(golden, from, to));

  STROP_TRY(const OwnLimits limits, read_own_limits(context.where().share, metric));
  const RunOptions asked = options_for(trial, report);
  golden.kind = GoldenKind::own;
  golden.artifact_id = trial.artifact->id;
  golden.backend = trial.recipe.backend;
  golden.run_options = without_threads(asked);
  golden.conditions = conditions_of(trial, worker, report);
  golden.limit = limits.here;
  golden.limit_elsewhere = limits.elsewhere;
  if (trial.recipe.stand_in)
    std::erase_if(golden.rows, [](const GoldenRows& rows) { return rows.name != "brief"; });
  return record_own(golden, own_name(trial.recipe.backend, asked), from, to, worker,
                    report.goal.seed, context.stop());
}

namespace {

std::vector<fs::path> records_in(const fs::path& folder) {
  std::vector<fs::path> files = sorted_entries(folder);
  std::error_code error;
  std::erase_if(files, [&](const fs::path& file) {
    return file.extension() != ".json" || !fs::is_regular_file(file, error);
  });
  return files;
}

GoldenCheck check_files(const Artifact& artifact, Context& context) {
  const auto whole = context.store().verify(artifact);
  if (!whole) return failed_check("", "files", whole.error().message);
  return {.what = "files",
          .verdict = Verdict::pass,
          .reason = str(artifact.files.size(), " files have the digests that the manifest states")};
}

// How the artifact's own record runs it; without one as its engine does.
RunOptions recorded_options(const std::vector<Golden>& records, const Artifact& artifact) {
  const auto own = std::find_if(records.begin(), records.end(), [&](const Golden& golden) {
    return golden.kind == GoldenKind::own && golden.backend == artifact.backend;
  });
  return own == records.end() ? RunOptions{} : own->run_options;
}

// Everything one record says of the artifact. recorded: how it runs where the record is of the
// original's outputs, which another engine may have made.
Result<void> check_record(const fs::path& file, const Golden& golden, const RunOptions& recorded,
                          const Artifact& artifact, const Target& here, Context& context,
                          std::vector<GoldenCheck>& checks) {
  const std::string name = file.filename().string();
  const bool own = golden.kind == GoldenKind::own;
  const std::string backend = own ? golden.backend : artifact.backend;
  const RunOptions& options = own ? golden.run_options : recorded;
  if (!golden.rows.empty()) {
    STROP_TRY(checks.emplace_back(), check_tokenizer(name, golden, artifact, context));
  }
  STROP_TRY(const auto worker, context.open(backend, artifact, options));
  Session& session = worker->session();
  const bool repeats = made_here(golden, here.id, context.worker(backend).info().version,
                                 session.info().cpu_variant);
  Record record{.folder = file.parent_path(), .file = name, .golden = golden, .made_here = repeats};
  record.limit = record.stated_limit();
  const bool fits =
      golden.rows.empty() ? session.tensors() != nullptr : session.decoder() != nullptr;
  if (!fits)
    return Error{.code = ErrorCode::unsupported,
                 .message = str("[golden] ", backend, " opened the artifact as no ",
                                golden.rows.empty() ? "function of tensors" : "decoder")};
  const auto keep = [&](const GoldenCheck& check) -> Result<void> {
    checks.push_back(check);
    return {};
  };
  return check_outputs(record, false, session, keep, context.stop());
}

}  // namespace

Result<GoldenReport> verify_artifact(const fs::path& folder, Context& context) {
  STROP_TRY(const Artifact artifact, read_manifest(folder));
  GoldenReport report{
      .artifact_id = artifact.id, .folder = artifact.folder, .backend = artifact.backend};
  const auto records = records_in(folder / kGoldenFolder);
  if (records.empty())
    return Error{
        .code = ErrorCode::not_found,
        .message = str("[golden] ", folder.string(), " has no golden record"),
        .hint = "A run writes them beside each artifact that passes; copy the whole folder.",
        .field = "golden"};
  report.checks.push_back(check_files(artifact, context));
  STROP_TRY(const Target here, probe_machine(context.store().root()));
  // Engines are not shown a file that is not the one they passed with.
  if (report.checks.front().verdict == Verdict::pass) {
    std::vector<Golden> goldens;
    for (const fs::path& file : records) {
      STROP_TRY(goldens.emplace_back(), read_record(file));
    }
    const RunOptions recorded = recorded_options(goldens, artifact);
    for (std::size_t i = 0; i < records.size(); ++i) {
      context.tell({.kind = Event::Kind::work,
                    .stage = Stage::measure,
                    .subject = "golden record " + records[i].stem().string()});
      STROP_CHECK(
          check_record(records[i], goldens[i], recorded, artifact, here, context, report.checks));
    }
  }
  report.passed =
      std::none_of(report.checks.begin(), report.checks.end(),
                   [](const GoldenCheck& check) { return check.verdict == Verdict::fail; });
  return report;
}

}  // namespace strop::pipeline

namespace strop {

Result<GoldenReport> verify(const std::string& folder, const RunRequest& request,
                            Observer& observer, std::stop_token stop) {
  std::error_code error;
  const fs::path path = fs::weakly_canonical(folder, error);
  if (!fs::exists(path / kManifest, error))
    return Error{.code = ErrorCode::not_found,
                 .message = str("[golden] ", folder, " is no artifact: it has no artifact.json"),
                 .hint = "Give an artifact's folder, as report.json names it.",
                 .field = "ARTIFACT_FOLDER",
                 .value = folder};
  STROP_TRY(Store store, Store::open_default());
  pipeline::Context context(request, observer, stop, std::move(store), std::nullopt);
  return pipeline::verify_artifact(path, context);
}

}  // namespace strop
