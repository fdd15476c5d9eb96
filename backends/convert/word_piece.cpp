#include "word_piece.h"

namespace strop::convert {
namespace {

using namespace formats;

constexpr std::string_view kWordBegin = "\xE2\x96\x81";
constexpr std::string_view kGoesOn = "##";
// Token types of GGUF's tokenizer.ggml.token_type.
enum TokenType : std::int32_t { normal = 1, control = 3, unused = 5 };

}  // namespace

void add_word_piece(GgufWriter& writer, const WordPieceTokenizer& tokenizer) {
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types(tokenizer.tokens.size(), normal);
  for (const AddedToken& token : tokenizer.added) types[token.id] = control;
  for (std::size_t id = 0; id < tokenizer.tokens.size(); ++id) {
    const std::string& token = tokenizer.tokens[id];
    if (token.empty()) {
      tokens.push_back(str("[PAD", id, "]"));
      types[id] = unused;
    } else if (types[id] == control) {
      tokens.push_back(token);
    } else if (token.starts_with(kGoesOn)) {
      tokens.push_back(token.substr(kGoesOn.size()));
    } else {
      tokens.push_back(str(kWordBegin, token));
    }
  }
  writer.add("tokenizer.ggml.model", "bert");
  writer.add("tokenizer.ggml.pre", "bert");
  writer.add("tokenizer.ggml.tokens", tokens);
  writer.add("tokenizer.ggml.token_type", types);
  writer.add("tokenizer.ggml.bos_token_id", tokenizer.before);
  writer.add("tokenizer.ggml.eos_token_id", tokenizer.after);
  writer.add("tokenizer.ggml.cls_token_id", tokenizer.before);
  writer.add("tokenizer.ggml.seperator_token_id", tokenizer.after);
  writer.add("tokenizer.ggml.unknown_token_id", tokenizer.unknown);
  if (tokenizer.pad) writer.add("tokenizer.ggml.padding_token_id", *tokenizer.pad);
  writer.add("strop.tokenizer.fold", std::uint32_t{tokenizer.fold});
  writer.add("strop.tokenizer.longest_word", tokenizer.longest_word);
}

Result<void> write_word_piece(const std::filesystem::path& folder,
                              const std::filesystem::path& out) {
  STROP_TRY(const WordPieceTokenizer tokenizer, read_word_piece(folder));
  GgufWriter writer;
  writer.add("general.architecture", "bert");
  writer.add("general.type", "model");
  writer.add("general.name", folder.filename().string());
  add_word_piece(writer, tokenizer);
  STROP_CHECK(writer.begin(out));
  return writer.finish();
}

}  // namespace strop::convert
