#include "pipeline/golden_checks.h"

#include <algorithm>
#include <sstream>

#include "core/files.h"
#include "core/json.h"
#include "core/stop.h"
#include "measure/golden.h"
#include "measure/statistics.h"
#include "pipeline/artifact_source.h"
#include "pipeline/golden_samples.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

constexpr std::uint32_t kGenerated = 8;

// Where the text worker finds the artifact's tokenizer: beside it, and in a file that carries its
// own, which is what the framework itself reads.
std::vector<fs::path> vocabularies_of(const Artifact& artifact) {
  std::vector<fs::path> files;
  const fs::path folder = artifact.folder;
  if (is_own_file(folder, kVocabulary)) files.push_back(folder / kVocabulary);
  if (artifact.format == "gguf") files.push_back(fs::path(artifact.folder) / artifact.entry);
  return files;
}

std::string number(double value) {
  std::ostringstream text;
  text.precision(3);
  text << value;
  return text.str();
}

// What ends the whole check: nothing can be said about the artifact.
bool says_nothing(const Error& error) {
  return error.code == ErrorCode::cancelled || error.code == ErrorCode::no_space ||
         error.code == ErrorCode::timeout || error.code == ErrorCode::out_of_memory ||
         error.code == ErrorCode::crashed;
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

}  // namespace

GoldenCheck failed_check(const std::string& record, const std::string& what,
                         const std::string& reason) {
  return {.record = record, .what = what, .verdict = Verdict::fail, .reason = reason};
}

Result<GoldenCheck> check_rows(const std::string& record, const GoldenRows& rows, double limit,
                               const fs::path& folder, DecoderSession& session,
                               std::stop_token stop) {
  const auto samples = measure::compare_rows(session, rows, folder, stop);
  if (!samples) {
    if (says_nothing(samples.error())) return samples.error();
    return failed_check(record, rows.name, samples.error().message);
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
      return failed_check(record, "tokenizer", str(name, ": ", tokenizer.error().message));
    }
    const auto difference = tokenizer_difference(golden, **tokenizer);
    if (!difference) {
      if (difference.error().code == ErrorCode::cancelled) return difference.error();
      return failed_check(record, "tokenizer", str(name, ": ", difference.error().message));
    }
    if (!difference->empty())
      return failed_check(record, "tokenizer", str(name, ": ", *difference));
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
    return failed_check("", "generation", gap.error().message);
  }
  return GoldenCheck{
      .what = "generation",
      .verdict = *gap <= measure::kGreedySlack ? Verdict::pass : Verdict::fail,
      .observed = *gap,
      .limit = measure::kGreedySlack,
      .reason = str("generated tokens are at most ", number(*gap),
                    " nats less probable than the most probable one when they are evaluated")};
}

Result<GoldenCheck> check_samples_of(const Record& record, TensorSession& session,
                                     std::stop_token stop) {
  constexpr const char* kWhat = "samples";
  std::vector<double> noise;
  for (const GoldenSample& sample : record.golden.samples) {
    STROP_CHECK(check_stop(stop));
    const auto one = compare_sample(session, sample, record.folder);
    if (!one) {
      if (says_nothing(one.error())) return one.error();
      return failed_check(record.file, kWhat, str(sample.name, ": ", one.error().message));
    }
    noise.push_back(*one);
  }
  const double seen = measure::noise_of_record(noise, record.made_here);
  return GoldenCheck{.record = record.file,
                     .what = kWhat,
                     .verdict = seen <= record.limit ? Verdict::pass : Verdict::fail,
                     .observed = seen,
                     .limit = record.limit,
                     .reason = str("noise of ", number(seen), " of the record's energy ",
                                   record.made_here ? "over " : "or more in each of ", noise.size(),
                                   " samples, at most ", number(record.limit), " allowed")};
}

}  // namespace strop::pipeline
