#include "pipeline/evaluation_text.h"

#include <algorithm>

#include "core/files.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

constexpr std::uint64_t kMaxTextBytes = 256ull << 20;
constexpr std::size_t kPieceBytes = 64 * 1024;  // given to the tokenizer at once
constexpr std::size_t kShortest = 64;           // tokens of a sequence that is worth scoring
// Of Strop's own text, per second of the budget: about a third of the time then goes to quality.
constexpr double kTokensPerSecond = 14;
constexpr std::size_t kLeastTokens = 4000;  // two documents long enough for every position bucket
constexpr const char* kVocabulary = "vocab.gguf";

Result<std::vector<fs::path>> text_files(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return std::vector{path};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (entry.path().extension() == ".txt" && entry.is_regular_file(error))
      files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("[measure] ", path.string(), " holds no .txt file to evaluate on"),
                 .hint = "Give a text file, or a folder of them, with --data.",
                 .field = "--data",
                 .value = path.string()};
  }
  return files;
}

// Strop's own documents, in the order that keeps the mixture when only the first are used.
Result<std::vector<fs::path>> own_files(const fs::path& text) {
  STROP_TRY(const std::string order, read_text(text / "order.json"));
  STROP_TRY(const Json json, parse_json(order, "share/text/order.json"));
  STROP_TRY(const auto names, decode<std::vector<std::string>>(json.value("documents", Json()),
                                                               "share/text/order.json"));
  std::vector<fs::path> files;
  for (const std::string& name : names) files.push_back(text / "evaluation" / (name + ".txt"));
  return files;
}

// Cut at a line's end, so that no character and no word is split.
Result<std::vector<TokenId>> tokens_of(const fs::path& file, Tokenizer& tokenizer) {
  STROP_TRY(const std::string text, read_text(file, kMaxTextBytes));
  std::vector<TokenId> ids;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = std::min(text.size(), begin + kPieceBytes);
    if (end < text.size()) {
      const std::size_t line = text.rfind('\n', end);
      if (line != std::string::npos && line > begin) end = line + 1;
    }
    auto piece = tokenizer.encode(std::string_view(text).substr(begin, end - begin), false, false);
    if (!piece) {
      piece.error().message = str("[measure] ", file.string(), ": ", piece.error().message);
      return std::move(piece).error();
    }
    ids.insert(ids.end(), piece->begin(), piece->end());
    begin = end;
  }
  return ids;
}

void cut(const std::vector<TokenId>& ids, const std::vector<TokenId>& before, std::size_t length,
         std::vector<std::vector<TokenId>>& sequences) {
  const std::size_t body = length - before.size();
  for (std::size_t begin = 0; begin < ids.size(); begin += body) {
    const std::size_t end = std::min(ids.size(), begin + body);
    if (end - begin < kShortest && !sequences.empty()) break;
    std::vector<TokenId> sequence = before;
    sequence.insert(sequence.end(), ids.begin() + static_cast<std::ptrdiff_t>(begin),
                    ids.begin() + static_cast<std::ptrdiff_t>(end));
    if (sequence.size() > 1) sequences.push_back(std::move(sequence));
  }
}

Result<std::unique_ptr<Tokenizer>> tokenizer_of(const Artifact& artifact, Context& context) {
  return open_tokenizer(context.where().workers / "strop-worker-text",
                        fs::path(artifact.folder) / kVocabulary, context.policy());
}

Result<std::vector<std::vector<TokenId>>> tokenize(const Artifact& artifact, Context& context) {
  const Goal& goal = context.request().goal;
  const bool own = goal.evaluation_data.empty();
  STROP_TRY(const auto files,
            own ? own_files(context.where().share / "text") : text_files(goal.evaluation_data));
  STROP_TRY(const auto tokenizer, tokenizer_of(artifact, context));
  STROP_TRY(const auto before, tokenizer->encode("", true, false));
  const std::size_t length =
      std::max<std::size_t>(goal.workload.evaluation_context, kShortest + before.size());
  const std::size_t by_budget =
      std::max(kLeastTokens, static_cast<std::size_t>(goal.budget.wall_seconds * kTokensPerSecond));
  const std::size_t enough =
      goal.workload.evaluation_tokens > 0 ? goal.workload.evaluation_tokens : by_budget;
  std::vector<std::vector<TokenId>> sequences;
  std::size_t tokens = 0;
  for (const fs::path& file : files) {
    STROP_TRY(const auto ids, tokens_of(file, *tokenizer));
    cut(ids, before, length, sequences);
    tokens += ids.size();
    if (own && tokens >= enough) break;
  }
  if (sequences.empty()) {
    return Error{
        .code = ErrorCode::invalid_input,
        .message = str("[measure] the evaluation text has ", tokens, " tokens, too few to score"),
        .hint = "Give at least a page of text with --data.",
        .field = "--data"};
  }
  return sequences;
}

}  // namespace

Result<EvaluationText> read_evaluation_text(const Artifact& with_vocabulary, Context& context) {
  using Sequences = std::vector<std::vector<TokenId>>;
  const Json goal = encode(context.request().goal);
  Json inputs{{"model", with_vocabulary.model_id},
              {"workload", goal["workload"]},
              {"budget", goal["budget"]}};
  if (const std::string& data = context.request().goal.evaluation_data; !data.empty()) {
    STROP_TRY(const std::string digest, context.store().digest_tree(data));
    inputs["data"] = digest;
  }
  STROP_TRY(Sequences sequences,
            context.step<Sequences>(Stage::measure, "tokenize the evaluation text", inputs,
                                    [&] { return tokenize(with_vocabulary, context); }));
  EvaluationText text;
  const std::size_t wanted = context.request().goal.workload.prompt_tokens;
  for (const auto& sequence : sequences) {
    for (TokenId id : sequence) {
      if (text.prompt.size() < wanted) text.prompt.push_back(id);
    }
  }
  while (text.prompt.size() < wanted)
    text.prompt.push_back(text.prompt[text.prompt.size() % sequences.front().size()]);
  text.evaluation.sequences = std::move(sequences);
  return text;
}

Result<std::vector<std::vector<TokenId>>> tokens_of_folder(const fs::path& folder,
                                                           const Artifact& with_vocabulary,
                                                           Context& context) {
  STROP_TRY(const auto files, text_files(folder));
  STROP_TRY(const auto tokenizer, tokenizer_of(with_vocabulary, context));
  std::vector<std::vector<TokenId>> documents;
  for (const fs::path& file : files) {
    STROP_TRY(auto ids, tokens_of(file, *tokenizer));
    documents.push_back(std::move(ids));
  }
  return documents;
}

}  // namespace strop::pipeline
