#include "pipeline/evaluation_text.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <span>

#include "core/files.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

constexpr std::uint64_t kMaxTextBytes = 256ull << 20;
constexpr std::size_t kPieceBytes = std::size_t{64} * 1024;  // given to the tokenizer at once
constexpr std::size_t kShortest = 64;  // tokens of a sequence that is worth scoring
// Of Strop's own text, per second of the budget: about a third of the time then goes to quality.
constexpr double kTokensPerSecond = 12.5;
constexpr std::size_t kLeastTokens = 4000;  // a document for every position and four other kinds
constexpr std::size_t kPiece = 512;         // of a document, when not all of them fit

struct Document {
  std::string domain;
  fs::path file;
};

bool is_domain(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  };
  return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), allowed);
}

Error bad_data(const std::string& data, const std::string& rule) {
  return {.code = ErrorCode::invalid_input,
          .message = str("[measure] --data: ", rule),
          .hint = "Give a text file, a folder of them, or NAME=PATH,NAME2=PATH2 by domain.",
          .field = "--data",
          .value = data};
}

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

// Strop's own documents, in the order in which they join an evaluation that is too short for all.
Result<std::vector<Document>> own_documents(const fs::path& text) {
  STROP_TRY(const std::string order, read_text(text / "order.json"));
  STROP_TRY(const Json json, parse_json(order, "share/text/order.json"));
  STROP_TRY(const auto names, decode<std::vector<std::string>>(json.value("documents", Json()),
                                                               "share/text/order.json"));
  std::vector<Document> documents;
  for (const std::string& name : names)
    documents.push_back({name.substr(0, name.find('-')), text / "evaluation" / (name + ".txt")});
  return documents;
}

Result<std::vector<Document>> users_documents(const std::string& data) {
  STROP_TRY(const auto parts, data_parts(data));
  std::vector<Document> documents;
  for (const DataPart& part : parts) {
    STROP_TRY(const auto files, text_files(part.path));
    for (const fs::path& file : files) documents.push_back({part.domain, file});
  }
  return documents;
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

// How many tokens of each document are evaluated: all of the first, so that every position is
// scored, and pieces from the fronts of the others in turn, until there are enough.
std::vector<std::size_t> shares_of(const std::vector<std::vector<TokenId>>& documents,
                                   std::size_t enough) {
  std::vector<std::size_t> shares(documents.size(), 0);
  shares.front() = documents.front().size();
  std::size_t total = shares.front();
  for (bool grew = true; grew && total < enough;) {
    grew = false;
    for (std::size_t i = 1; i < documents.size() && total < enough; ++i) {
      const std::size_t piece = std::min(kPiece, documents[i].size() - shares[i]);
      shares[i] += piece;
      total += piece;
      grew |= piece > 0;
    }
  }
  return shares;
}

struct Tokenized {
  std::vector<std::vector<TokenId>> sequences;
  std::vector<measure::SequenceName> names;
};

void cut(std::span<const TokenId> ids, const std::vector<TokenId>& before, std::size_t length,
         const Document& document, Tokenized& text) {
  const std::size_t body = length - before.size();
  for (std::size_t begin = 0; begin < ids.size(); begin += body) {
    const std::size_t end = std::min(ids.size(), begin + body);
    if (end - begin < kShortest && !text.sequences.empty()) break;
    std::vector<TokenId> sequence = before;
    const auto part = ids.subspan(begin, end - begin);
    sequence.insert(sequence.end(), part.begin(), part.end());
    if (sequence.size() < 2) continue;
    text.sequences.push_back(std::move(sequence));
    text.names.push_back(
        {document.domain, str(document.file.filename().stem().string(), " from token ", begin)});
  }
}

Result<Tokenized> tokenize(const Artifact& artifact, std::size_t context_length, Context& context) {
  const Goal& goal = context.request().goal;
  const bool own = goal.evaluation_data.empty();
  STROP_TRY(const auto documents, own ? own_documents(context.where().share / "text")
                                      : users_documents(goal.evaluation_data));
  STROP_TRY(const auto tokenizer, context.tokenizer(fs::path(artifact.folder) / kVocabulary));
  STROP_TRY(const auto before, tokenizer->encode("", true, false));
  const std::size_t length =
      std::max(before.size() + 2,
               std::min({context_length, std::max<std::size_t>(goal.workload.evaluation_context,
                                                               kShortest + before.size())}));
  const std::size_t by_budget =
      std::max(kLeastTokens, static_cast<std::size_t>(goal.budget.wall_seconds * kTokensPerSecond));
  const std::size_t enough =
      goal.workload.evaluation_tokens > 0 ? goal.workload.evaluation_tokens : by_budget;
  std::vector<std::vector<TokenId>> ids;
  for (const Document& document : documents) {
    STROP_TRY(ids.emplace_back(), tokens_of(document.file, *tokenizer));
  }
  if (own) {
    const std::vector<std::size_t> shares = shares_of(ids, enough);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i].resize(shares[i]);
  }
  Tokenized text;
  std::size_t tokens = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    cut(ids[i], before, length, documents[i], text);
    tokens += ids[i].size();
  }
  if (text.sequences.empty()) {
    return Error{
        .code = ErrorCode::invalid_input,
        .message = str("[measure] the evaluation text has ", tokens, " tokens, too few to score"),
        .hint = "Give at least a page of text with --data.",
        .field = "--data"};
  }
  return text;
}

// A name as one word of the journal and back.
std::string written(const measure::SequenceName& name) {
  return name.domain + "\t" + name.sequence;
}
measure::SequenceName name_from(const std::string& text) {
  const std::size_t tab = std::min(text.find('\t'), text.size());
  return {text.substr(0, tab), tab < text.size() ? text.substr(tab + 1) : ""};
}

}  // namespace

Result<std::vector<DataPart>> data_parts(const std::string& data) {
  std::error_code error;
  if (fs::exists(data, error)) return std::vector{DataPart{"", data}};
  if (data.find('=') == std::string::npos) return bad_data(data, str("there is no ", data));
  std::vector<DataPart> parts;
  for (std::size_t begin = 0; begin <= data.size();) {
    const std::size_t end = std::min(data.find(',', begin), data.size());
    const std::string part = data.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos || equals + 1 == part.size())
      return bad_data(data, str("each part must be NAME=PATH, but one is ", part));
    const DataPart one{part.substr(0, equals), part.substr(equals + 1)};
    if (!is_domain(one.domain))
      return bad_data(data,
                      str("a name must be 1 to 32 letters, digits, - or _, but is ", one.domain));
    for (const DataPart& other : parts)
      if (other.domain == one.domain) return bad_data(data, str(one.domain, " is named twice"));
    if (!fs::exists(one.path, error)) return bad_data(data, str("there is no ", one.path));
    parts.push_back(one);
  }
  return parts;
}

Result<EvaluationText> read_evaluation_text(const Artifact& with_vocabulary,
                                            std::optional<std::uint64_t> context_length,
                                            Context& context) {
  using Sequences = std::vector<std::vector<TokenId>>;
  const Json goal = encode(context.request().goal);
  Json inputs{{"model", with_vocabulary.model_id},
              {"workload", goal["workload"]},
              {"budget", goal["budget"]}};
  if (context_length) inputs["context_length"] = *context_length;
  if (const std::string& data = context.request().goal.evaluation_data; !data.empty()) {
    STROP_TRY(const auto parts, data_parts(data));
    inputs["data"] = Json::array();
    for (const DataPart& part : parts) {
      STROP_TRY(const std::string digest, context.store().digest_tree(part.path));
      inputs["data"].push_back({part.domain, digest});
    }
  }
  std::optional<Tokenized> made;
  const auto make = [&]() -> Result<void> {
    if (made) return {};
    STROP_TRY(made, tokenize(with_vocabulary,
                             context_length.value_or(std::numeric_limits<std::uint64_t>::max()),
                             context));
    return {};
  };
  STROP_TRY(Sequences sequences,
            context.step<Sequences>(Stage::measure, "tokenize the evaluation text", inputs,
                                    [&]() -> Result<Sequences> {
                                      STROP_CHECK(make());
                                      return made->sequences;
                                    }));
  using Names = std::vector<std::string>;
  STROP_TRY(const Names names,
            context.step<Names>(Stage::measure, "name the evaluation's sequences", inputs,
                                [&]() -> Result<Names> {
                                  STROP_CHECK(make());
                                  Names all;
                                  for (const auto& name : made->names) all.push_back(written(name));
                                  return all;
                                }));
  EvaluationText text;
  for (const std::string& name : names) text.names.push_back(name_from(name));
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
  STROP_TRY(const auto tokenizer,
            context.tokenizer(fs::path(with_vocabulary.folder) / kVocabulary));
  std::vector<std::vector<TokenId>> documents;
  for (const fs::path& file : files) {
    STROP_TRY(auto ids, tokens_of(file, *tokenizer));
    documents.push_back(std::move(ids));
  }
  return documents;
}

}  // namespace strop::pipeline
