#include "tokenizer.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <utility>

#include "chat_template.h"
#include "core/utf8.h"
#include "engine_errors.h"
#include "formats/gguf.h"

namespace strop::text {
namespace {

constexpr std::size_t kMaxText = std::size_t{256} << 20;  // llama.cpp counts in 32 bits

std::string metadata(const llama_model& model, const char* key) {
  const int length = llama_model_meta_val_str(&model, key, nullptr, 0);
  if (length < 0) return {};
  std::string value(static_cast<std::size_t>(length) + 1, '\0');
  llama_model_meta_val_str(&model, key, value.data(), value.size());
  value.pop_back();
  return value;
}

Error cannot_load(const std::filesystem::path& file) {
  const auto said = take_engine_errors();
  constexpr std::string_view kUnknown = "unknown pre-tokenizer type: ";
  if (const auto at = said.find(kUnknown); at != std::string::npos) {
    const auto name = said.substr(at + kUnknown.size(), said.find(';', at) - at - kUnknown.size());
    return {ErrorCode::unsupported,
            str("[text] the pre-tokenizer ", name, " is unknown: its ids would be guesses."),
            "Use a model whose pre-tokenizer llama.cpp knows.", "tokenizer.ggml.pre", name};
  }
  return {ErrorCode::corrupt,
          str("[text] ", file.filename().string(), " is no vocabulary: ", said, ".")};
}

// llama.cpp only warns about these two and goes on with a generic splitter.
Result<void> check_pre_tokenizer(const llama_vocab& vocabulary, const std::string& name) {
  const bool guessed =
      llama_vocab_type(&vocabulary) == LLAMA_VOCAB_TYPE_BPE && (name.empty() || name == "default");
  if (!guessed) return {};
  return Error{ErrorCode::unsupported,
               "[text] the vocabulary does not name its pre-tokenizer: its ids would be guesses.",
               "Convert the model again from its original folder.", "tokenizer.ggml.pre", name};
}

// Other makers' files do not say what is done to a text before its words are looked up.
Result<WordPiece> read_word_piece(const formats::GgufFile& file) {
  const auto lacks = [](const std::string& key) {
    return Error{ErrorCode::unsupported,
                 str("[text] the vocabulary lacks ", key, ": its ids would be guesses."),
                 "Convert the model again from its original folder.", key};
  };
  const formats::GgufArray* const tokens = file.array("tokenizer.ggml.tokens");
  const formats::GgufArray* const types = file.array("tokenizer.ggml.token_type");
  if (tokens == nullptr || tokens->strings.size() != tokens->count)
    return lacks("tokenizer.ggml.tokens");
  if (types == nullptr || types->count != tokens->count) return lacks("tokenizer.ggml.token_type");
  WordPieceRules rules;
  for (const auto& [key, id] : {std::pair{"tokenizer.ggml.unknown_token_id", &rules.unknown},
                                {"tokenizer.ggml.cls_token_id", &rules.before},
                                {"tokenizer.ggml.seperator_token_id", &rules.after}}) {
    const auto value = file.count(key);
    if (!value || *value >= tokens->count) return lacks(key);
    *id = static_cast<TokenId>(*value);
  }
  const auto fold = file.count("strop.tokenizer.fold"),
             longest = file.count("strop.tokenizer.longest_word");
  if (!fold || *fold > 1) return lacks("strop.tokenizer.fold");
  if (!longest || *longest > 1'000'000) return lacks("strop.tokenizer.longest_word");
  rules.fold = *fold == 1;
  rules.longest_word = static_cast<std::uint32_t>(*longest);
  constexpr std::int64_t kControl = 3;
  std::vector<std::string> pieces;
  std::vector<std::pair<std::string, TokenId>> special;
  for (std::size_t id = 0; id < tokens->strings.size(); ++id) {
    pieces.emplace_back(tokens->strings[id]);
    if (types->integer(id) == kControl && !pieces.back().empty())
      special.emplace_back(pieces.back(), static_cast<TokenId>(id));
  }
  return WordPiece(rules, pieces, std::move(special));
}

Result<void> check_text(std::string_view text, const std::string& field) {
  if (text.size() > kMaxText) {
    return Error{
        ErrorCode::invalid_input,
        str("[text] a text must be at most ", kMaxText, " bytes, but got ", text.size(), "."),
        "Split it.", field};
  }
  const auto offset = invalid_utf8(text);
  if (!offset) return {};
  return Error{ErrorCode::invalid_input,
               str("[text] text must be UTF-8, but byte ", *offset, " is not."),
               {},
               field,
               {},
               *offset};
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> LlamaTokenizer::open(const std::filesystem::path& vocabulary) {
  // The engine aborts on some malformed files.
  STROP_TRY(const formats::GgufFile file, formats::GgufFile::open(vocabulary));
  auto params = llama_model_default_params();
  params.vocab_only = true;
  take_engine_errors();
  ModelPtr model(llama_model_load_from_file(vocabulary.c_str(), params));
  if (!model) return cannot_load(vocabulary);
  auto pre_tokenizer = metadata(*model, "tokenizer.ggml.pre");
  STROP_CHECK(check_pre_tokenizer(*llama_model_get_vocab(model.get()), pre_tokenizer));
  std::optional<WordPiece> word_piece;
  if (llama_vocab_type(llama_model_get_vocab(model.get())) == LLAMA_VOCAB_TYPE_WPM) {
    STROP_TRY(word_piece, read_word_piece(file));
  }
  return std::unique_ptr<Tokenizer>(new LlamaTokenizer(std::move(model), std::move(pre_tokenizer),
                                                       BytePairs::of(file), std::move(word_piece)));
}

LlamaTokenizer::LlamaTokenizer(ModelPtr model, std::string pre_tokenizer,
                               std::optional<BytePairs> byte_pairs,
                               std::optional<WordPiece> word_piece)
    : model_(std::move(model)),
      vocabulary_(llama_model_get_vocab(model_.get())),
      byte_pairs_(std::move(byte_pairs)),
      word_piece_(std::move(word_piece)) {
  info_ = {static_cast<std::uint32_t>(llama_vocab_n_tokens(vocabulary_)), std::move(pre_tokenizer),
           llama_vocab_bos(vocabulary_), llama_vocab_eos(vocabulary_),
           llama_model_chat_template(model_.get(), nullptr) != nullptr};
}

Result<std::vector<TokenId>> LlamaTokenizer::encode(std::string_view text, bool add_special,
                                                    bool parse_special) {
  STROP_CHECK(check_text(text, "text"));
  if (word_piece_) return word_piece_->encode(text, add_special, parse_special);
  if (!byte_pairs_ || !byte_pairs_->lacks_any_of(text))
    return engine_ids(text, add_special, parse_special);
  STROP_TRY(const auto plain, engine_ids(text, false, parse_special));
  auto ids = with_lacking_bytes(text, plain);
  if (!ids) return Error{ErrorCode::backend, "[text] the engine's ids are not those of this text."};
  if (add_special && llama_vocab_get_add_bos(vocabulary_)) ids->insert(ids->begin(), info_.bos);
  if (add_special && llama_vocab_get_add_eos(vocabulary_)) ids->push_back(info_.eos);
  return *std::move(ids);
}

Result<std::vector<TokenId>> LlamaTokenizer::engine_ids(std::string_view text, bool add_special,
                                                        bool parse_special) const {
  const auto length = static_cast<std::int32_t>(text.size());
  std::vector<TokenId> ids(text.size() + 4);  // at most one per byte, and those around it
  const auto count = [&] {
    return llama_tokenize(vocabulary_, text.data(), length, ids.data(),
                          static_cast<std::int32_t>(ids.size()), add_special, parse_special);
  };
  auto found = count();
  if (found < 0 && found != std::numeric_limits<std::int32_t>::min()) {
    ids.resize(static_cast<std::size_t>(-found));
    found = count();
  }
  if (found < 0) return Error{ErrorCode::backend, "[text] the engine does not tokenize this text."};
  ids.resize(static_cast<std::size_t>(found));
  return ids;
}

// Keeps the engine's special tokens, and encodes the stretches between them anew where they hold a
// byte that the vocabulary lacks. Nothing when the ids do not spell the text.
std::optional<std::vector<TokenId>> LlamaTokenizer::with_lacking_bytes(
    std::string_view text, std::span<const TokenId> ids) const {
  std::vector<TokenId> result;
  std::size_t at = 0, stretch_text = 0, stretch_id = 0;
  const auto end_stretch = [&](std::size_t id) {
    const auto stretch = text.substr(stretch_text, at - stretch_text);
    const auto theirs = ids.subspan(stretch_id, id - stretch_id);
    const auto own = byte_pairs_->lacks_any_of(stretch)
                         ? byte_pairs_->encode(stretch)
                         : std::vector<TokenId>(theirs.begin(), theirs.end());
    result.insert(result.end(), own.begin(), own.end());
  };
  const auto skip_lacking = [&](std::string_view next) {
    while (at < text.size() && !byte_pairs_->has(text[at]) && !text.substr(at).starts_with(next))
      ++at;
  };
  constexpr int kSpecial =
      LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_USER_DEFINED | LLAMA_TOKEN_ATTR_UNKNOWN;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto spelled = piece(ids[i]);
    if (llama_vocab_get_attr(vocabulary_, ids[i]) & kSpecial) {
      skip_lacking(spelled);
      if (!text.substr(at).starts_with(spelled)) return std::nullopt;
      end_stretch(i);
      result.push_back(ids[i]);
      at += spelled.size();
      stretch_text = at, stretch_id = i + 1;
      continue;
    }
    for (const char byte : spelled) {
      skip_lacking({&byte, 1});
      if (at == text.size() || text[at] != byte) return std::nullopt;
      ++at;
    }
  }
  while (at < text.size() && !byte_pairs_->has(text[at])) ++at;
  if (at != text.size()) return std::nullopt;
  end_stretch(ids.size());
  return result;
}

Result<std::string> LlamaTokenizer::decode(std::span<const TokenId> ids) {
  const auto size = static_cast<TokenId>(info_.vocabulary_size);
  const auto foreign =
      std::find_if(ids.begin(), ids.end(), [&](TokenId id) { return id < 0 || id >= size; });
  if (foreign != ids.end()) {
    return Error{ErrorCode::invalid_input,
                 str("[text] token ids must be from 0 to ", size - 1, ", but got ", *foreign, "."),
                 {},
                 "ids",
                 std::to_string(*foreign)};
  }
  // For byte-level vocabularies llama.cpp's detokenizer would tidy spaces, so that text -> ids ->
  // text changes it.
  const bool byte_level = llama_vocab_type(vocabulary_) == LLAMA_VOCAB_TYPE_BPE;
  return repaired_utf8(byte_level ? joined_pieces(ids) : detokenized(ids));
}

std::string LlamaTokenizer::piece(TokenId id) const {
  std::string bytes(64, '\0');
  auto length = llama_token_to_piece(vocabulary_, id, bytes.data(),
                                     static_cast<std::int32_t>(bytes.size()), 0, true);
  if (length < 0) {
    bytes.resize(static_cast<std::size_t>(-length));
    length = llama_token_to_piece(vocabulary_, id, bytes.data(), -length, 0, true);
  }
  bytes.resize(static_cast<std::size_t>(std::max(length, 0)));
  return bytes;
}

std::string LlamaTokenizer::joined_pieces(std::span<const TokenId> ids) const {
  std::string text;
  for (const auto id : ids) text += piece(id);
  return text;
}

std::string LlamaTokenizer::detokenized(std::span<const TokenId> ids) const {
  const auto count = static_cast<std::int32_t>(ids.size());
  const auto needed = llama_detokenize(vocabulary_, ids.data(), count, nullptr, 0, false, true);
  std::string text(static_cast<std::size_t>(std::abs(needed)), '\0');
  const auto length = llama_detokenize(vocabulary_, ids.data(), count, text.data(),
                                       static_cast<std::int32_t>(text.size()), false, true);
  text.resize(static_cast<std::size_t>(std::max(length, 0)));
  return text;
}

Result<std::string> LlamaTokenizer::chat(std::span<const ChatMessage> messages,
                                         bool add_generation_prompt) {
  const char* source = llama_model_chat_template(model_.get(), nullptr);
  if (source == nullptr) {
    return Error{ErrorCode::unsupported, "[text] this model has no chat template.",
                 "Send plain text instead."};
  }
  for (const auto& message : messages) {
    STROP_CHECK(check_text(message.role, "role"));
    STROP_CHECK(check_text(message.content, "content"));
  }
  const auto text_of = [&](TokenId id) { return id < 0 ? std::string() : piece(id); };
  return apply_chat_template(source, messages, add_generation_prompt,
                             {text_of(info_.bos), text_of(info_.eos)});
}

LlamaTextBackend::LlamaTextBackend() { keep_engine_errors(); }

BackendInfo LlamaTextBackend::info() const { return {.name = "text", .version = llama_version()}; }

Result<std::unique_ptr<Tokenizer>> LlamaTextBackend::open(
    const std::filesystem::path& vocabulary) const {
  try {
    return LlamaTokenizer::open(vocabulary);
  } catch (const std::logic_error&) {
    throw;  // our own bug, told by the worker's loop
  } catch (const std::exception& error) {
    return Error{ErrorCode::backend, str("[text] the engine failed: ", error.what(), ".")};
  }
}

}  // namespace strop::text
