#include "pipeline/golden.h"

#include <algorithm>
#include <array>
#include <sstream>

#include "assess/machine.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/rule_file.h"
#include "gate/gate.h"
#include "measure/golden.h"
#include "pipeline/artifact_source.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

constexpr const char* kFolder = "golden";
constexpr const char* kOriginal = "original";
constexpr std::uint64_t kMaxRecordBytes = 4u << 20;
constexpr std::uint32_t kDeepTokens = 512;
constexpr std::uint32_t kGenerated = 8;

// What is asked of an artifact, before any tokenizer has seen it.
struct Prompts {
  std::string brief;
  std::vector<std::string> brief_and_short;  // brief first
  std::string deep;
  std::vector<std::string> texts;
  std::vector<GoldenChat> chats;
  double own_here = 0, own_elsewhere = 0;
};

Result<Prompts> read_prompts(const fs::path& share) {
  STROP_TRY(const Json json, read_rule_file(share / "golden" / "golden.json"));
  std::optional<Error> error;
  const RuleReader reader(json, "golden.json", error);
  reader.only({"limits", "sequences", "texts", "chats"});
  const RuleReader sequences = reader.object("sequences");
  Prompts prompts;
  prompts.brief_and_short = sequences.words("brief");
  for (std::string& text : sequences.words("short")) prompts.brief_and_short.push_back(text);
  const std::string deep = sequences.text("deep");
  prompts.texts = reader.words("texts");
  prompts.own_here = reader.object("limits").object("own_here").number("kl");
  prompts.own_elsewhere = reader.object("limits").object("own_elsewhere").number("kl");
  if (error) return *std::move(error);
  STROP_TRY(prompts.chats,
            decode<std::vector<GoldenChat>>(json.value("chats", Json()), "golden.json"));
  STROP_TRY(prompts.deep, read_text(share / "text" / "evaluation" / (deep + ".txt")));
  return prompts;
}

// The sequences in ids: so many scored positions at the end of each.
GoldenRows rows_of(const std::string& name, std::size_t tokens, std::uint32_t steps,
                   const std::vector<std::vector<TokenId>>& texts) {
  GoldenRows rows{.name = name};
  const std::size_t wanted = measure::kGoldenPositions + 1;
  for (std::vector<TokenId> ids : texts) {
    ids.resize(std::min(ids.size(), tokens));
    if (ids.size() > 2) rows.sequences.push_back(std::move(ids));
  }
  std::size_t shortest = tokens;
  for (const auto& ids : rows.sequences) shortest = std::min(shortest, ids.size());
  rows.first_scored = static_cast<std::uint32_t>(shortest > wanted ? shortest - wanted : 0);
  if (steps > 0 && shortest > steps + 1)
    rows.stepped_from = static_cast<std::uint32_t>(shortest - 1 - steps);
  return rows;
}

// Where the text worker finds the artifact's tokenizer: beside it, and in a file that carries its
// own, which is what the framework itself reads.
std::vector<fs::path> vocabularies_of(const Artifact& artifact) {
  std::vector<fs::path> files;
  std::error_code error;
  const fs::path beside = fs::path(artifact.folder) / kVocabulary;
  if (fs::is_regular_file(beside, error)) files.push_back(beside);
  if (artifact.format == "gguf") files.push_back(fs::path(artifact.folder) / artifact.entry);
  return files;
}

Result<void> fill_texts(Golden& golden, const Prompts& prompts, Tokenizer& tokenizer) {
  for (const std::string& text : prompts.texts) {
    for (const bool special : {false, true}) {
      GoldenText one{.text = text, .add_special = special, .parse_special = special};
      STROP_TRY(one.ids, tokenizer.encode(text, special, special));
      STROP_TRY(one.decoded, tokenizer.decode(one.ids));
      golden.texts.push_back(std::move(one));
    }
  }
  for (GoldenChat chat : prompts.chats) {
    if (!tokenizer.info().has_chat_template) break;
    auto text = tokenizer.chat(chat.messages, chat.add_generation_prompt);
    // A template may refuse a conversation, such as one with a system message.
    if (!text && text.error().code == ErrorCode::crashed) return std::move(text).error();
    if (!text) continue;
    chat.text = *std::move(text);
    golden.chats.push_back(std::move(chat));
  }
  return {};
}

Result<std::vector<GoldenRows>> sequences_of(const Prompts& prompts, Tokenizer& tokenizer,
                                             std::uint32_t context_length) {
  std::vector<std::vector<TokenId>> few, long_one(1);
  for (const std::string& text : prompts.brief_and_short) {
    STROP_TRY(few.emplace_back(), tokenizer.encode(text, true, false));
  }
  STROP_TRY(long_one.front(), tokenizer.encode(prompts.deep, true, false));
  const std::size_t few_tokens = std::min<std::size_t>(41, context_length);
  std::vector<GoldenRows> all{rows_of("brief", few_tokens, 16, {few.begin(), few.begin() + 1}),
                              rows_of("short", few_tokens, 0, {few.begin() + 1, few.end()}),
                              rows_of("deep", std::min(kDeepTokens, context_length), 0, long_one)};
  std::erase_if(all, [](const GoldenRows& rows) { return rows.sequences.empty(); });
  return all;
}

Result<void> write_record(const Golden& golden, const fs::path& path) {
  return write_whole(path, encode(golden).dump(1) + "\n");
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

// Own outputs depend on how the artifact is run, so there may be several records.
std::string own_name(const std::string& backend, const RunOptions& asked) {
  return "own-" +
         id_of({{"backend", backend}, {"run_options", without_threads(asked)}}).substr(0, 12);
}

std::string number(double value) {
  std::ostringstream text;
  text.precision(3);
  text << value;
  return text.str();
}

GoldenCheck failed(const std::string& record, const std::string& what, const std::string& reason) {
  return {.record = record, .what = what, .verdict = Verdict::fail, .reason = reason};
}

// What ends the whole check: nothing can be said about the artifact.
bool says_nothing(const Error& error) {
  return error.code == ErrorCode::cancelled || error.code == ErrorCode::no_space ||
         error.code == ErrorCode::timeout || error.code == ErrorCode::out_of_memory ||
         error.code == ErrorCode::crashed;
}

Result<GoldenCheck> check_rows(const std::string& record, const GoldenRows& rows, double limit,
                               const fs::path& folder, DecoderSession& session,
                               std::stop_token stop) {
  const auto samples = measure::compare_rows(session, rows, folder, stop);
  if (!samples) {
    if (says_nothing(samples.error())) return samples.error();
    return failed(record, rows.name, samples.error().message);
  }
  const double kl = measure::mean(samples->kl);
  GoldenCheck check{.record = record,
                    .what = rows.name,
                    .verdict = kl <= limit ? Verdict::pass : Verdict::fail,
                    .observed = kl,
                    .limit = limit};
  check.reason = str("KL ", number(kl), " nats from the record over ", samples->size(),
                     " positions, at most ", number(limit), " allowed");
  return check;
}

std::string shown(const std::string& text) {
  return Json(text.substr(0, 40)).dump(-1, ' ', true, Json::error_handler_t::replace);
}

// The first text or conversation that comes out otherwise; empty: none does.
Result<std::string> tokenizer_difference(const Golden& golden, Tokenizer& tokenizer) {
  for (const GoldenText& text : golden.texts) {
    const auto ids = tokenizer.encode(text.text, text.add_special, text.parse_special);
    if (!ids) {
      if (says_nothing(ids.error())) return ids.error();
      return str("the text ", shown(text.text), " is refused: ", ids.error().message);
    }
    if (*ids != text.ids) return str("the text ", shown(text.text), " becomes other ids");
    const auto decoded = tokenizer.decode(text.ids);
    if (!decoded && says_nothing(decoded.error())) return decoded.error();
    if (!decoded || *decoded != text.decoded)
      return str("the ids of ", shown(text.text), " become another text");
  }
  for (const GoldenChat& chat : golden.chats) {
    const auto text = tokenizer.chat(chat.messages, chat.add_generation_prompt);
    if (!text && says_nothing(text.error())) return text.error();
    if (!text || *text != chat.text)
      return str("the chat template makes another prompt of ",
                 shown(chat.messages.empty() ? "" : chat.messages.back().content));
  }
  return std::string();
}

Result<GoldenCheck> check_tokenizer(const std::string& record, const Golden& golden,
                                    const Artifact& artifact, Context& context) {
  GoldenCheck check{.record = record, .what = "tokenizer"};
  const auto files = vocabularies_of(artifact);
  if (files.empty()) {
    check.reason = "the artifact carries no vocabulary that the text worker reads";
    return check;
  }
  for (const fs::path& file : files) {
    const std::string name = file.filename().string();
    const auto tokenizer = context.tokenizer(file);
    // A vocabulary that breaks the tokenizer's worker is the finding itself.
    if (!tokenizer) {
      if (tokenizer.error().code == ErrorCode::cancelled) return tokenizer.error();
      return failed(record, "tokenizer", str(name, ": ", tokenizer.error().message));
    }
    const auto difference = tokenizer_difference(golden, **tokenizer);
    if (!difference) {
      if (difference.error().code == ErrorCode::cancelled) return difference.error();
      return failed(record, "tokenizer", str(name, ": ", difference.error().message));
    }
    if (!difference->empty()) return failed(record, "tokenizer", str(name, ": ", *difference));
  }
  check.verdict = Verdict::pass;
  check.reason = str(golden.texts.size(), " texts and ", golden.chats.size(),
                     " conversations come out as recorded");
  return check;
}

Result<GoldenCheck> check_generation(const GoldenRows& brief, DecoderSession& session,
                                     std::stop_token stop) {
  const auto& ids = brief.sequences.front();
  const std::size_t prompt = std::min<std::size_t>(ids.size(), 17);
  const auto gap = measure::greedy_gap(session, std::span(ids).first(prompt), kGenerated, stop);
  if (!gap) {
    if (says_nothing(gap.error())) return gap.error();
    return failed("", "generation", gap.error().message);
  }
  return GoldenCheck{
      .what = "generation",
      .verdict = *gap <= measure::kGreedySlack ? Verdict::pass : Verdict::fail,
      .observed = *gap,
      .limit = measure::kGreedySlack,
      .reason = str("generated tokens are at most ", number(*gap),
                    " nats less probable than the most probable one when they are evaluated")};
}

bool is_quick(const GoldenRows& rows) { return rows.name != "deep"; }

Error drifted(const Trial& trial, const GoldenCheck& check, const fs::path& where) {
  return {
      .code = ErrorCode::backend,
      .message = str("[golden] ", trial.recipe.backend, " ", trial.recipe.name, ": ", check.what,
                     " differs from ",
                     check.record.empty() ? std::string("its own evaluation")
                                          : "the record " + (where / check.record).string(),
                     ": ", check.reason, "."),
      .hint = "A wrong conversion, file, engine or kernel does this; strop verify looks closer.",
      .field = check.what};
}

// What the recipe's precision explains of the divergence from the original: nats, mean.
Result<double> tolerance_of(const Recipe& recipe, Context& context) {
  STROP_TRY(const GateRules rules, load_gate_rules(context.where().share / "plan" / "gates.json"));
  const auto limit = divergence_limit(recipe, "kl_mean", context.request().goal, rules);
  if (limit) return *limit;
  return Error{.code = ErrorCode::corrupt,
               .message = "[golden] gates.json states no tolerance for kl_mean",
               .field = "kl_mean"};
}

struct Record {
  fs::path folder;
  std::string file;
  Golden golden;
  double limit = 0;
};

// What an artifact is held against when it is opened: its own record for these options, or else the
// original's.
Result<std::vector<Record>> records_for(const Trial& trial, const RunOptions& asked,
                                        Context& context) {
  std::vector<Record> records;
  const fs::path beside = fs::path(trial.artifact->folder) / kFolder;
  const std::string own = own_name(trial.recipe.backend, asked) + ".json";
  std::error_code error;
  for (const auto& [folder, file] :
       std::array{std::pair{beside, own}, std::pair{beside, str(kOriginal, ".json")},
                  std::pair{context.out() / kFolder, str(kOriginal, ".json")}}) {
    if (folder == kFolder || !fs::exists(folder / file, error)) continue;  // no run folder
    STROP_TRY(Golden golden, read_record(folder / file));
    records.push_back({folder, file, std::move(golden), 0});
    break;
  }
  return records;
}

}  // namespace

Result<void> record_original(const Trial& reference, const Report& report, Context& context) {
  const fs::path folder = context.out() / kFolder;
  STROP_TRY(const Prompts prompts, read_prompts(context.where().share));
  STROP_TRY(const std::string prompts_id,
            sha256_file(context.where().share / "golden" / "golden.json"));
  const auto make = [&]() -> Result<bool> {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) return file_error("create", folder, error.value());
    STROP_TRY(const auto tokenizer,
              context.tokenizer(fs::path(reference.artifact->folder) / kVocabulary));
    STROP_TRY(const auto worker, open(reference, report, context));
    Golden golden{.kind = GoldenKind::original,
                  .model_id = report.model->id,
                  .artifact_id = reference.artifact->id,
                  .target_id = report.target->id,
                  .backend = reference.recipe.backend,
                  .run_options = without_threads(options_for(reference, report)),
                  .conditions = conditions_of(reference, *worker, report)};
    STROP_CHECK(fill_texts(golden, prompts, *tokenizer));
    DecoderSession& session = *worker->session().decoder();
    STROP_TRY(golden.rows, sequences_of(prompts, *tokenizer, session.info().context_length));
    for (GoldenRows& rows : golden.rows) {
      STROP_CHECK(
          measure::record_rows(session, rows, folder, kOriginal, report.goal.seed, context.stop()));
    }
    STROP_CHECK(write_record(golden, folder / str(kOriginal, ".json")));
    return true;
  };
  STROP_CHECK(context.step<bool>(Stage::measure, "golden record of the original",
                                 {{"artifact", reference.artifact->id}, {"prompts", prompts_id}},
                                 make));
  std::error_code error;
  if (!fs::exists(folder / str(kOriginal, ".json"), error)) STROP_CHECK(make());
  return {};
}

Result<void> check_opened(const Trial& trial, const RunOptions& asked, DecoderSession& session,
                          const Conditions& now, const Report& report, Context& context) {
  // Its engine is too slow here for even a few prompts; its agreement with its stand-in is checked.
  if (trial.recipe.stand_in) return {};
  STROP_TRY(auto records, records_for(trial, asked, context));
  if (records.empty()) return {};
  Record& record = records.front();
  if (record.golden.kind == GoldenKind::original) {
    STROP_TRY(record.limit, tolerance_of(trial.recipe, context));
  } else {
    const bool here = record.golden.target_id == report.target->id &&
                      record.golden.conditions.engine_version == now.engine_version &&
                      record.golden.conditions.cpu_variant == now.cpu_variant;
    record.limit = here ? record.golden.kl_limit : record.golden.kl_limit_elsewhere;
  }
  const auto refuse_failed = [&](const GoldenCheck& check) -> Result<void> {
    if (check.verdict == Verdict::fail) return drifted(trial, check, record.folder);
    return {};
  };
  for (const GoldenRows& rows : record.golden.rows) {
    if (!is_quick(rows)) continue;
    STROP_TRY(const GoldenCheck check,
              check_rows(record.file, rows, record.limit, record.folder, session, context.stop()));
    STROP_CHECK(refuse_failed(check));
    if (rows.name != "brief") continue;
    STROP_TRY(const GoldenCheck generation, check_generation(rows, session, context.stop()));
    STROP_CHECK(refuse_failed(generation));
  }
  if (context.first_time("tokenizer of " + trial.artifact->id)) {
    STROP_TRY(const GoldenCheck check,
              check_tokenizer(record.file, record.golden, *trial.artifact, context));
    STROP_CHECK(refuse_failed(check));
  }
  return {};
}

Result<void> attach_records(const Trial& trial, double kl_mean, WorkerSession& worker,
                            const Report& report, Context& context) {
  const fs::path from = context.out() / kFolder;
  const fs::path to = fs::path(trial.artifact->folder) / kFolder;
  std::error_code error;
  if (!fs::exists(from / str(kOriginal, ".json"), error)) return {};
  STROP_TRY(const double tolerance, tolerance_of(trial.recipe, context));
  if (!(kl_mean <= tolerance)) return {};
  fs::create_directories(to, error);
  if (error) return file_error("create", to, error.value());
  STROP_TRY(Golden golden, read_record(from / str(kOriginal, ".json")));
  // The original's, with this artifact's limit. Rows first: a record's files are always there.
  for (const GoldenRows& rows : golden.rows) {
    STROP_TRY(const std::string bytes, read_text(from / rows.file));
    STROP_CHECK(write_whole(to / rows.file, bytes));
  }
  golden.kl_limit = golden.kl_limit_elsewhere = tolerance;
  STROP_CHECK(write_record(golden, to / str(kOriginal, ".json")));

  STROP_TRY(const Prompts prompts, read_prompts(context.where().share));
  const RunOptions asked = options_for(trial, report);
  const std::string name = own_name(trial.recipe.backend, asked);
  golden.kind = GoldenKind::own;
  golden.artifact_id = trial.artifact->id;
  golden.backend = trial.recipe.backend;
  golden.run_options = without_threads(asked);
  golden.conditions = conditions_of(trial, worker, report);
  golden.kl_limit = prompts.own_here;
  golden.kl_limit_elsewhere = prompts.own_elsewhere;
  if (trial.recipe.stand_in)
    std::erase_if(golden.rows, [](const GoldenRows& rows) { return rows.name != "brief"; });
  for (GoldenRows& rows : golden.rows) {
    STROP_CHECK(measure::record_rows(*worker.session().decoder(), rows, to, name, report.goal.seed,
                                     context.stop()));
  }
  return write_record(golden, to / (name + ".json"));
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
  if (!whole) return failed("", "files", whole.error().message);
  return {.what = "files",
          .verdict = Verdict::pass,
          .reason = str(artifact.files.size(), " files have the digests that the manifest states")};
}

// Everything one record says of the artifact.
Result<void> check_record(const fs::path& file, const Artifact& artifact, const Target& here,
                          Context& context, std::vector<GoldenCheck>& checks) {
  const std::string name = file.filename().string();
  STROP_TRY(const Golden golden, read_record(file));
  STROP_TRY(const GoldenCheck tokenizer, check_tokenizer(name, golden, artifact, context));
  checks.push_back(tokenizer);
  // The original's record is of another engine's outputs; they are compared with the artifact as
  // its own record runs it.
  const bool own = golden.kind == GoldenKind::own;
  const std::string backend = own ? golden.backend : artifact.backend;
  const RunOptions options = own ? golden.run_options : RunOptions{};
  STROP_TRY(const auto worker, context.open(backend, artifact, options));
  DecoderSession* session = worker->session().decoder();
  if (!session)
    return Error{.code = ErrorCode::unsupported,
                 .message = str("[golden] ", backend, " opened the artifact as no decoder")};
  const bool same = here.id == golden.target_id &&
                    session->info().cpu_variant == golden.conditions.cpu_variant &&
                    context.worker(backend).info().version == golden.conditions.engine_version;
  const double limit = same ? golden.kl_limit : golden.kl_limit_elsewhere;
  for (const GoldenRows& rows : golden.rows) {
    STROP_TRY(const GoldenCheck check,
              check_rows(name, rows, limit, file.parent_path(), *session, context.stop()));
    checks.push_back(check);
    if (rows.name != "brief") continue;
    STROP_TRY(const GoldenCheck generation, check_generation(rows, *session, context.stop()));
    checks.push_back(generation);
  }
  return {};
}

}  // namespace

Result<GoldenReport> verify_artifact(const fs::path& folder, Context& context) {
  STROP_TRY(const Artifact artifact, read_manifest(folder));
  GoldenReport report{
      .artifact_id = artifact.id, .folder = artifact.folder, .backend = artifact.backend};
  const auto records = records_in(folder / kFolder);
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
    for (const fs::path& file : records) {
      context.tell({.kind = Event::Kind::work,
                    .stage = Stage::measure,
                    .subject = "golden record " + file.stem().string()});
      STROP_CHECK(check_record(file, artifact, here, context, report.checks));
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
  if (!fs::exists(path / pipeline::kManifest, error))
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
