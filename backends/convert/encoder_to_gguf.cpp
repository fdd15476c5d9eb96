#include "encoder_to_gguf.h"

#include "encoder_source.h"
#include "formats/gguf.h"
#include "gguf_tensors.h"
#include "word_piece.h"

namespace fs = std::filesystem;

namespace strop::convert {
namespace {

using namespace formats;

// Values of bert.pooling_type.
enum Pooling : std::uint32_t { none = 0, mean = 1 };

void add_metadata(GgufWriter& writer, const EncoderSource& source, const fs::path& folder,
                  FloatType type) {
  const HuggingFaceConfig& config = source.config;
  add_identity(writer, "bert", folder);
  writer.add("bert.block_count", config.layers);
  writer.add("bert.context_length", config.context);
  writer.add("bert.embedding_length", config.width);
  writer.add("bert.feed_forward_length", config.feed_forward);
  writer.add("bert.attention.head_count", config.heads);
  writer.add("bert.attention.layer_norm_epsilon", static_cast<float>(config.norm_epsilon));
  writer.add("bert.attention.causal", false);
  writer.add("bert.pooling_type", std::uint32_t{source.pooling.mean ? mean : none});
  writer.add("strop.sentence.normalise", source.pooling.normalise);
  writer.add("general.file_type", file_type(type));
  writer.add("general.quantization_version", std::uint32_t{2});
}

// The engine takes the rows of the embedding for the vocabulary's words, one each.
Result<WordPieceTokenizer> tokenizer_for(const HuggingFaceConfig& config, const fs::path& folder) {
  STROP_TRY(WordPieceTokenizer tokenizer, read_word_piece(folder));
  STROP_CHECK(check_vocabulary(tokenizer.tokens.size(), config));
  tokenizer.tokens.resize(config.vocabulary);
  return tokenizer;
}

}  // namespace

Result<std::vector<std::string>> encoder_to_gguf(const fs::path& folder, FloatType type,
                                                 const Workspace& workspace) {
  STROP_TRY(const EncoderSource source, read_encoder(folder));
  STROP_TRY(const WordPieceTokenizer tokenizer, tokenizer_for(source.config, folder));
  GgufWriter writer;
  add_metadata(writer, source, folder, type);
  add_word_piece(writer, tokenizer);
  writer.add("tokenizer.ggml.token_type_count", source.token_types);
  declare_tensors(writer, source.plan, type);
  STROP_CHECK(writer.begin(workspace.dir / "model.gguf"));
  STROP_CHECK(append_tensors(writer, source.weights, {}, source.plan, type, workspace));
  STROP_CHECK(writer.finish());
  STROP_CHECK(write_word_piece(folder, workspace.dir / "vocab.gguf"));
  if (source.pooling.left_out.empty()) return std::vector<std::string>{};
  return std::vector{source.pooling.left_out};
}

}  // namespace strop::convert
