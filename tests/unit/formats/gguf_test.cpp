#include "formats/gguf.h"

#include <doctest/doctest.h>

#include "formats/model_file.h"
#include "support/temporary_folder.h"

using namespace strop;
using namespace strop::formats;
using test::TemporaryFolder;

namespace {

void fill(GgufWriter& writer) {
  writer.add("general.architecture", "llama");
  writer.add("llama.block_count", std::uint32_t{2});
  writer.add("llama.context_length", std::uint32_t{64});
  writer.add("llama.rope.freq_base", 10000.0f);
  writer.add("tokenizer.ggml.add_bos_token", true);
  writer.add("tokenizer.ggml.tokens", std::vector<std::string>{"a", "", "bc"});
  writer.add("tokenizer.ggml.token_type", std::vector<std::int32_t>{1, 3, -1});
  writer.add_tensor("a", *tensor_type("f32"), {3});
  writer.add_tensor("b", *tensor_type("q8_0"), {32, 2});
}

}  // namespace

TEST_CASE("gguf: what was written is read") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "m.gguf";
  GgufWriter writer;
  fill(writer);
  REQUIRE(writer.begin(path));
  REQUIRE(writer.append(std::string(12, 'a')));
  REQUIRE(writer.append(std::string(50, 'b')));  // a tensor may come in parts
  REQUIRE(writer.append(std::string(18, 'c')));
  CHECK_FALSE(std::filesystem::exists(path));
  REQUIRE(writer.finish());

  const auto file = GgufFile::open(path);
  REQUIRE(file);
  CHECK(file->version() == 3);
  CHECK(file->text("general.architecture") == "llama");
  CHECK(file->count("llama.block_count") == 2);
  CHECK(file->real("llama.rope.freq_base") == 10000.0);
  CHECK_FALSE(file->text("llama.block_count"));
  CHECK_FALSE(file->count("absent"));
  REQUIRE(file->array("tokenizer.ggml.tokens"));
  CHECK(file->array("tokenizer.ggml.tokens")->strings ==
        std::vector<std::string_view>{"a", "", "bc"});
  REQUIRE(file->array("tokenizer.ggml.token_type"));
  CHECK(file->array("tokenizer.ggml.token_type")->integer(2) == -1);
  REQUIRE(file->tensors().size() == 2);
  CHECK(file->tensor("a")->data == std::string(12, 'a'));
  CHECK(file->tensor("b")->data == std::string(50, 'b') + std::string(18, 'c'));
  CHECK(file->tensor("b")->type->name == std::string("q8_0"));
  CHECK(file->tensor("c") == nullptr);
}

TEST_CASE("gguf: a file of too few bytes does not appear") {
  const TemporaryFolder folder;
  {
    GgufWriter writer;
    fill(writer);
    REQUIRE(writer.begin(folder.path() / "m.gguf"));
    REQUIRE(writer.append(std::string(12, 'a')));
    CHECK_FALSE(writer.finish());
  }
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("gguf: metadata travels unchanged") {
  const TemporaryFolder folder;
  GgufWriter first, second;
  fill(first);
  REQUIRE(first.begin(folder.path() / "a.gguf"));
  REQUIRE(first.append(std::string(12, 'a')));
  REQUIRE(first.append(std::string(68, 'b')));
  REQUIRE(first.finish());
  const auto original = GgufFile::open(folder.path() / "a.gguf");
  REQUIRE(original);
  second.add_all(*original);
  REQUIRE(second.begin(folder.path() / "b.gguf"));
  REQUIRE(second.finish());
  const auto copy = GgufFile::open(folder.path() / "b.gguf");
  REQUIRE(copy);
  CHECK(copy->metadata_bytes() == original->metadata_bytes());
  CHECK(copy->tensors().empty());
}

TEST_CASE("gguf: types have the names and the layout of ggml") {
  struct Known {
    const char* name;
    std::uint32_t id, block, bytes;
  };
  for (const Known& known : {Known{"f32", 0, 1, 4},
                             {"f16", 1, 1, 2},
                             {"bf16", 30, 1, 2},
                             {"q4_0", 2, 32, 18},
                             {"q4_1", 3, 32, 20},
                             {"q8_0", 8, 32, 34},
                             {"q4_k", 12, 256, 144},
                             {"q6_k", 14, 256, 210},
                             {"iq4_nl", 20, 32, 18}}) {
    CAPTURE(known.name);
    const TensorType* type = tensor_type(known.name);
    REQUIRE(type);
    CHECK(type == tensor_type(known.id));
    CHECK(type->block == known.block);
    CHECK(type->block_bytes == known.bytes);
  }
  CHECK(tensor_type("q9_9") == nullptr);
  CHECK(tensor_type(4u) == nullptr);
}

TEST_CASE("gguf: a model is described by its metadata") {
  const TemporaryFolder folder;
  GgufWriter writer;
  fill(writer);
  REQUIRE(writer.begin(folder.path() / "m.gguf"));
  REQUIRE(writer.append(std::string(12, 'a')));
  REQUIRE(writer.append(std::string(68, 'b')));
  REQUIRE(writer.finish());
  const auto model = read_model(folder.path() / "m.gguf");
  REQUIRE(model);
  CHECK(model->format == "gguf");
  CHECK(model->kind == ModelKind::llm);
  CHECK(model->architecture == "llama");
  CHECK(model->parameter_count == 67);
  CHECK(model->weight_bytes == 80);
  CHECK(model->precision == "q8_0");
  CHECK(model->layer_count == 2);
  CHECK(model->context_length == 64);
  CHECK(model->vocabulary_size == 3);
  CHECK_FALSE(model->width);
  CHECK(model->id.empty());
}
