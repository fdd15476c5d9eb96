// Our WordPiece against Hugging Face's, through the vocabulary that the convert worker writes.
#include "word_piece.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "backends/convert/word_piece.h"
#include "support/temporary_folder.h"
#include "tokenizer.h"

namespace {

using nlohmann::json;
using strop::ErrorCode;
using strop::TokenId;
using strop::test::TemporaryFolder;

[[noreturn]] void skip(const std::string& reason) {
  std::cout << "skipped: " << reason << std::endl;
  std::exit(77);
}

std::unique_ptr<strop::Tokenizer> opened() {
  if (!std::filesystem::exists(std::filesystem::path(STROP_MINILM) / "tokenizer.json"))
    skip("the encoder is missing (tools/setup --test fetches it)");
  static const TemporaryFolder folder;
  const auto path = folder.path() / "vocab.gguf";
  const auto written = strop::convert::write_word_piece(STROP_MINILM, path);
  REQUIRE(written);
  static const strop::text::LlamaTextBackend backend;
  auto tokenizer = backend.open(path);
  REQUIRE(tokenizer);
  return *std::move(tokenizer);
}

// A folder with the smallest BERT tokenizer, changed by the caller.
json small_tokenizer() {
  return json::parse(R"({
    "added_tokens": [
      {"id": 0, "content": "[PAD]", "special": true, "normalized": false},
      {"id": 1, "content": "[UNK]", "special": true, "normalized": false},
      {"id": 2, "content": "[CLS]", "special": true, "normalized": false},
      {"id": 3, "content": "[SEP]", "special": true, "normalized": false}],
    "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                   "strip_accents": null, "lowercase": true},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
              "max_input_chars_per_word": 6,
              "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "ab": 4, "##c": 5,
                        "AB": 6, "a": 7, "##bc": 8, "!": 9}}})");
}

strop::Result<std::unique_ptr<strop::Tokenizer>> opened(const json& tokenizer) {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", tokenizer.dump());
  STROP_CHECK(strop::convert::write_word_piece(folder.path(), folder.path() / "vocab.gguf"));
  static const strop::text::LlamaTextBackend backend;
  return backend.open(folder.path() / "vocab.gguf");
}

}  // namespace

TEST_CASE("WordPiece gives the ids of Hugging Face's tokenizers") {
  const auto tokenizer = opened();
  std::ifstream file(STROP_BERT_REFERENCE);
  if (!file) skip("there is no reference (the test conformance-word-piece-reference says why)");
  std::size_t texts = 0, tokens = 0, wrong = 0;
  for (std::string line; std::getline(file, line);) {
    const json record = json::parse(line);
    const auto ids = tokenizer->encode(record["text"].get<std::string>(), true, true);
    REQUIRE(ids);
    ++texts, tokens += ids->size();
    if (*ids == record["ids"].get<std::vector<TokenId>>()) continue;
    if (++wrong <= 10)
      FAIL_CHECK(record["source"].get<std::string>()
                 << " " << record["text"].dump(-1, ' ', true).substr(0, 300) << "\n  ours   "
                 << json(*ids).dump().substr(0, 300) << "\n  theirs "
                 << record["ids"].dump().substr(0, 300));
  }
  CHECK(wrong == 0);
  CHECK(texts > 10'000);
  MESSAGE(texts << " texts of " << tokens << " tokens");
}

TEST_CASE("the longest piece at each place, or the whole word is unknown") {
  const auto tokenizer = opened(small_tokenizer());
  REQUIRE(tokenizer);
  const auto ids = [&](const char* text) { return *(*tokenizer)->encode(text, false, true); };
  CHECK(ids("abc ABC \xC3\xA1"
            "b!") == std::vector<TokenId>{4, 5, 4, 5, 4, 9});
  CHECK(ids("abx") == std::vector<TokenId>{1});
  CHECK(ids("abccccc") == std::vector<TokenId>{1});  // seven characters
  CHECK(ids("abcccc") == std::vector<TokenId>{4, 5, 5, 5, 5});
  CHECK(ids("ab[SEP]ab") == std::vector<TokenId>{4, 3, 4});
  CHECK(*(*tokenizer)->encode("", true, false) == std::vector<TokenId>{2, 3});
  CHECK((*tokenizer)->info().bos == 2);
  CHECK((*tokenizer)->info().eos == 3);
}

TEST_CASE("a cased tokenizer keeps case and accents") {
  json cased = small_tokenizer();
  cased["normalizer"]["lowercase"] = false;
  const auto tokenizer = opened(cased);
  REQUIRE(tokenizer);
  CHECK(*(*tokenizer)->encode("AB ab", false, true) == std::vector<TokenId>{6, 4});
  CHECK(*(*tokenizer)
             ->encode("\xC3\xA1"
                      "b",
                      false, true) == std::vector<TokenId>{1});
}

TEST_CASE("tokenizers that are not plain BERT are refused by the part") {
  const std::vector<std::pair<const char*, json>> changes{
      {"/model/type", "Unigram"},
      {"/model/continuing_subword_prefix", "@@"},
      {"/model/unk_token", "nowhere"},
      {"/normalizer/clean_text", false},
      {"/normalizer/strip_accents", false},
      {"/normalizer", nullptr},
      {"/pre_tokenizer/type", "Whitespace"},
      {"/added_tokens/0/lstrip", true},
      {"/added_tokens/0/special", false},
      {"/post_processor/type", "RobertaProcessing"},
      {"/post_processor", nullptr}};
  for (const auto& [place, value] : changes) {
    CAPTURE(place);
    json tokenizer = small_tokenizer();
    tokenizer[json::json_pointer(place)] = value;
    const auto refused = opened(tokenizer);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::unsupported);
    CHECK(!refused.error().field.empty());
  }
}

TEST_CASE("a tokenizer with more words than the model has rows is refused") {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", small_tokenizer().dump());
  const auto written = [&](int words) {
    folder.write("config.json",
                 json({{"architectures", {"BertModel"}}, {"vocab_size", words}}).dump());
    return strop::convert::write_word_piece(folder.path(), folder.path() / "vocab.gguf");
  };
  CHECK(written(10));
  const auto refused = written(9);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::invalid_input);
  CHECK(refused.error().field == "model.vocab");
}
