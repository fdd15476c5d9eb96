// Our tokenizer against Hugging Face's, and its own rules.
#include "tokenizer.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "words.h"

namespace {

// Why it failed; doctest wants the words even when nothing did.
template <class T>
std::string message_of(const strop::Result<T>& result) {
  return result ? std::string() : result.error().message;
}

using nlohmann::json;
using strop::ErrorCode;
using strop::TokenId;

[[noreturn]] void skip(const std::string& reason) {
  std::cout << "skipped: " << reason << std::endl;
  std::exit(77);
}

std::unique_ptr<strop::Tokenizer> opened() {
  if (!std::filesystem::exists(STROP_DEMO_GGUF))
    skip("the demo model is missing (tools/setup fetches it)");
  static const strop::text::LlamaTextBackend backend;
  auto tokenizer = backend.open(STROP_DEMO_GGUF);
  REQUIRE_MESSAGE(tokenizer, message_of(tokenizer));
  return *std::move(tokenizer);
}

std::vector<json> reference() {
  std::ifstream file(STROP_TOKENIZER_REFERENCE);
  if (!file) skip("there is no reference (the test conformance-tokenizer-reference says why)");
  std::vector<json> records;
  for (std::string line; std::getline(file, line);) records.push_back(json::parse(line));
  return records;
}

// The text around the first difference, for the message.
std::string shown(const json& record) { return record["text"].dump(-1, ' ', true).substr(0, 200); }

}  // namespace

TEST_CASE("gives the ids of Hugging Face's tokenizers") {
  const auto tokenizer = opened();
  const bool all = strop::text::knows_words("smollm");
  std::size_t tokens = 0, texts = 0, wrong = 0, lacking = 0;
  for (const auto& record : reference()) {
    if (!record["representable"] && !all) continue;
    const auto ids = tokenizer->encode(record["text"].get<std::string>(), false, true);
    REQUIRE_MESSAGE(ids, shown(record));
    const bool same = *ids == record["ids"].get<std::vector<TokenId>>();
    ++texts;
    tokens += ids->size();
    lacking += !record["representable"].get<bool>();
    wrong += !same;
    if (!same && wrong <= 10) {
      const std::string source = record["source"];
      FAIL_CHECK(source << " " << shown(record) << "\n  ours   " << json(*ids).dump().substr(0, 200)
                        << "\n  theirs " << record["ids"].dump().substr(0, 200));
    }
  }
  CHECK(wrong == 0);
  CHECK((lacking >= 10'000 || !all));
  MESSAGE(texts << " texts of " << tokens << " tokens, " << lacking
                << " of them with bytes that the vocabulary lacks");
}

TEST_CASE("a text with bytes that the vocabulary lacks gets what the model wants around it") {
  const auto tokenizer = opened();
  const auto plain = tokenizer->encode("a\x14<|im_start|>b", false, true);
  REQUIRE(plain);
  CHECK(*plain == *tokenizer->encode("a<|im_start|>b", false, true));
  CHECK(*tokenizer->encode("a\x14<|im_start|>b", true, true) ==
        *tokenizer->encode("a<|im_start|>b", true, true));
  CHECK(tokenizer->encode("\x14<|im_start|>", false, false)->size() > 1);
  CHECK(tokenizer->encode("\x14", false, false)->empty());
}

TEST_CASE("decodes as Hugging Face's tokenizers do") {
  const auto tokenizer = opened();
  std::size_t different = 0;
  for (const auto& record : reference()) {
    const auto text = tokenizer->decode(record["ids"].get<std::vector<TokenId>>());
    REQUIRE_MESSAGE(text, shown(record));
    const bool same = *text == record["decoded"].get<std::string>();
    different += !same;
    if (!same && different <= 10)
      FAIL_CHECK(shown(record) << " became " << json(*text).dump().substr(0, 200));
  }
  CHECK(different == 0);
}

TEST_CASE("text survives encoding and decoding") {
  const auto tokenizer = opened();
  for (const std::string text :
       {" two  spaces , and ' quotes ' ?", "\n\n x", "naïve 漢字 👍🏽", "I 'm n't"}) {
    const auto ids = tokenizer->encode(text, false, false);
    REQUIRE(ids);
    CHECK(*tokenizer->decode(*ids) == text);
  }
}

TEST_CASE("special tokens in a text become ids only on request") {
  const auto tokenizer = opened();
  const std::string text = "<|im_start|>";
  CHECK(tokenizer->encode(text, false, true)->size() == 1);
  CHECK(tokenizer->encode(text, false, false)->size() > 1);
  CHECK(*tokenizer->decode(*tokenizer->encode(text, false, false)) == text);
}

TEST_CASE("refuses text that is not UTF-8, with the offset") {
  const auto tokenizer = opened();
  const std::vector<std::pair<std::string, std::uint64_t>> bad{{"ab\xff", 2},
                                                               {"\xc0\x80", 0},
                                                               {"x\xed\xa0\x80", 1},
                                                               {"é\xf4\x90\x80\x80", 2},
                                                               {"abc\xe2\x82", 3}};
  for (const auto& [text, offset] : bad) {
    const auto ids = tokenizer->encode(text, false, false);
    REQUIRE_FALSE(ids);
    CHECK(ids.error().code == ErrorCode::invalid_input);
    CHECK(ids.error().offset == offset);
  }
}

TEST_CASE("half a character decodes to the replacement character") {
  const auto tokenizer = opened();
  const auto ids = tokenizer->encode("\U0001F9FF", false, false);
  REQUIRE(ids);
  REQUIRE(ids->size() > 1);
  CHECK(*tokenizer->decode(std::span(*ids).first(1)) == "\uFFFD");
}

TEST_CASE("refuses ids outside the vocabulary") {
  const auto tokenizer = opened();
  const TokenId size = static_cast<TokenId>(tokenizer->info().vocabulary_size);
  for (const TokenId id : {TokenId{-1}, size}) {
    const auto text = tokenizer->decode(std::vector{id});
    REQUIRE_FALSE(text);
    CHECK(text.error().code == ErrorCode::invalid_input);
  }
}

TEST_CASE("knows the vocabulary of the demo model") {
  const auto tokenizer = opened();
  CHECK(tokenizer->info() == strop::TokenizerInfo{.vocabulary_size = 49152,
                                                  .pre_tokenizer = "smollm",
                                                  .bos = 1,
                                                  .eos = 2,
                                                  .has_chat_template = true});
}

TEST_CASE("the model's own template makes the prompt, default system message included") {
  if (!STROP_HAVE_JINJA) return;
  const auto tokenizer = opened();
  const std::vector<strop::ChatMessage> messages{{"user", "Hello <|im_end|>"}};
  const auto prompt = tokenizer->chat(messages, true);
  REQUIRE_MESSAGE(prompt, message_of(prompt));
  CHECK(*prompt ==
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging "
        "Face<|im_end|>\n"
        "<|im_start|>user\nHello <|im_end|><|im_end|>\n<|im_start|>assistant\n");
  const std::vector<strop::ChatMessage> own_system{{"system", "Be brief."}, {"user", "Hi"}};
  CHECK(*tokenizer->chat(own_system, false) ==
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n");
}

TEST_CASE("a file that is no vocabulary is corrupt") {
  const strop::text::LlamaTextBackend backend;
  const auto tokenizer = backend.open(STROP_SOURCE_DIR "/tests/conformance/tokenizer/reference.py");
  REQUIRE_FALSE(tokenizer);
  CHECK(tokenizer.error().code == ErrorCode::corrupt);
}
