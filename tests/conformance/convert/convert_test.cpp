// The convert worker on the demo model, against what llama.cpp's own converter makes of it
// (make_golden).
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "backend.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "formats/gguf.h"
#include "formats/model_file.h"
#include "support/temporary_folder.h"

namespace fs = std::filesystem;

namespace {

using namespace strop;
using namespace strop::formats;
using test::TemporaryFolder;

const fs::path kFolder = STROP_DEMO_MODEL;
const fs::path kQuantised = STROP_DEMO_GGUF;

// Why it failed; doctest wants the words even when nothing did.
template <class T>
std::string message_of(const Result<T>& result) {
  return result ? std::string() : result.error().message;
}

Model demo_model() {
  if (!fs::exists(kFolder / "model.safetensors")) {
    std::cout << "skipped: the demo model is missing (make demo fetches it)" << std::endl;
    std::exit(77);
  }
  auto model = read_model(kFolder);
  REQUIRE_MESSAGE(model, message_of(model));
  return *std::move(model);
}

Recipe recipe(Operation op, std::map<std::string, std::string> params) {
  return {.name = "test", .steps = {{.worker = "convert", .op = op, .params = std::move(params)}}};
}

Result<Artifact> converted(const Model& model, const std::string& type, const fs::path& out,
                           std::stop_token stop = {}) {
  return convert::ConvertBackend().build(
      model, recipe(Operation::convert, {{"to", "gguf"}, {"type", type}}), 0,
      {.dir = out, .stop = std::move(stop)});
}

Result<Artifact> quantise(const fs::path& gguf, const std::string& type, const fs::path& out) {
  auto model = read_model(gguf);
  REQUIRE_MESSAGE(model, message_of(model));
  return convert::ConvertBackend().build(*model, recipe(Operation::quantize, {{"type", type}}), 0,
                                         {.dir = out});
}

GgufFile opened(const fs::path& path) {
  auto file = GgufFile::open(path);
  REQUIRE_MESSAGE(file, message_of(file));
  return *std::move(file);
}

Json golden() {
  const auto text = read_text(fs::path(STROP_SOURCE_DIR) / "tests/data/convert/demo_model.json");
  REQUIRE_MESSAGE(text, message_of(text));
  return Json::parse(*text);
}

std::string described(const GgufTensor& tensor) {
  std::string shape;
  for (std::uint64_t dimension : tensor.shape) shape += str(shape.empty() ? "" : "x", dimension);
  return str(tensor.type->name, " ", shape, " ", sha256_hex(tensor.data));
}

// The value as make_golden writes it.
Json described(const GgufValue& value) {
  if (const auto* array = std::get_if<GgufArray>(&value.value)) {
    std::string joined;
    for (std::size_t i = 0; i < array->count; ++i) {
      joined += array->type == GgufType::string ? std::string(array->strings[i])
                                                : std::to_string(array->integer(i));
      joined += '\0';
    }
    return str(array->count, " ", sha256_hex(joined));
  }
  return std::visit(
      [](const auto& scalar) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(scalar)>, GgufArray>) {
          return nullptr;
        } else {
          return scalar;
        }
      },
      value.value);
}

// Keys that say where a model comes from; they steer nothing and we keep only name and licence.
bool is_descriptive(const std::string& key) {
  return key.starts_with("general.base_model.") || key == "general.basename" ||
         key == "general.size_label" || key == "general.name";
}

}  // namespace

TEST_CASE("tensors and metadata are those of llama.cpp's own converter") {
  const Model model = demo_model();
  const Json expected = golden();
  for (const char* type : {"f32", "f16", "bf16"}) {
    CAPTURE(type);
    const TemporaryFolder out;
    const auto artifact = converted(model, type, out.path());
    REQUIRE_MESSAGE(artifact, message_of(artifact));
    const GgufFile file = opened(out.path() / artifact->entry);
    const Json& tensors = expected[type]["tensors"];
    CHECK(file.tensors().size() == tensors.size());
    for (const GgufTensor& tensor : file.tensors()) {
      const std::string name(tensor.name);
      CAPTURE(name);
      CHECK(Json(described(tensor)) == tensors.value(name, Json("not there")));
    }
    for (const auto& [key, value] : expected[type]["metadata"].items()) {
      if (is_descriptive(key)) continue;
      CAPTURE(key);
      const GgufValue* own = file.find(key);
      REQUIRE(own);
      CHECK(described(*own) == value);
    }
  }
}

TEST_CASE("an artifact holds the model, its vocabulary and its tokenizer, and nothing else") {
  const TemporaryFolder out;
  const auto artifact = converted(demo_model(), "bf16", out.path());
  REQUIRE_MESSAGE(artifact, message_of(artifact));
  std::size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(out.path()))
    files += entry.is_regular_file();
  CHECK(files == artifact->files.size());
  for (const ArtifactFile& file : artifact->files)
    CHECK(fs::is_regular_file(out.path() / file.path));
  CHECK(fs::exists(out.path() / "tokenizer/tokenizer.json"));

  const GgufFile vocabulary = opened(out.path() / "vocab.gguf");
  CHECK(vocabulary.tensors().empty());
  REQUIRE(vocabulary.array("tokenizer.ggml.tokens"));
  CHECK(vocabulary.array("tokenizer.ggml.tokens")->count == 49152);
}

TEST_CASE("the original's precision is kept by type auto") {
  const TemporaryFolder out;
  const auto artifact = converted(demo_model(), "auto", out.path());
  REQUIRE_MESSAGE(artifact, message_of(artifact));
  CHECK(opened(out.path() / artifact->entry).tensor("token_embd.weight")->type->name ==
        std::string("bf16"));
}

TEST_CASE("a conversion twice gives the same bytes") {
  const Model model = demo_model();
  const TemporaryFolder first, second;
  REQUIRE(converted(model, "f16", first.path()));
  REQUIRE(converted(model, "f16", second.path()));
  for (const char* name : {"model.gguf", "vocab.gguf"}) {
    CHECK(sha256_hex(opened(first.path() / name).file().bytes()) ==
          sha256_hex(opened(second.path() / name).file().bytes()));
  }
}

TEST_CASE("a cancelled conversion leaves no file") {
  std::stop_source stop;
  stop.request_stop();
  const TemporaryFolder out;
  const auto artifact = converted(demo_model(), "f16", out.path(), stop.get_token());
  REQUIRE(!artifact);
  CHECK(artifact.error().code == ErrorCode::cancelled);
  CHECK(fs::is_empty(out.path()));
}

TEST_CASE("llama.cpp quantises, and the notes tell what became of the tensors") {
  const TemporaryFolder unquantised;
  REQUIRE(converted(demo_model(), "bf16", unquantised.path()));
  const fs::path original = unquantised.path() / "model.gguf";

  SUBCASE("q8_0 has no tensor of another kind") {
    const TemporaryFolder out;
    const auto artifact = quantise(original, "q8_0", out.path());
    REQUIRE_MESSAGE(artifact, message_of(artifact));
    REQUIRE(artifact->notes.size() == 2);
    CHECK(artifact->notes[0] == "tensors: 61 f32, 211 q8_0");
    CHECK(artifact->notes[1] == "bits per weight: 8.51");
  }
  SUBCASE("rows of 576 do not fit q4_k's blocks, which is said") {
    const TemporaryFolder out;
    const auto artifact = quantise(original, "q4_k_m", out.path());
    REQUIRE_MESSAGE(artifact, message_of(artifact));
    REQUIRE(artifact->notes.size() == 3);
    CHECK(artifact->notes[2].starts_with("180 tensors fell back"));
    CHECK(fs::exists(out.path() / "vocab.gguf"));
    CHECK(fs::exists(out.path() / "tokenizer/tokenizer.json"));
  }
  SUBCASE("an unknown type is refused") {
    const TemporaryFolder out;
    const auto artifact = quantise(original, "q9_9", out.path());
    REQUIRE(!artifact);
    CHECK(artifact.error().code == ErrorCode::invalid_input);
    CHECK(fs::is_empty(out.path()));
  }
}

TEST_CASE("a quantised file is taken as it is, and not quantised again") {
  if (!fs::exists(kQuantised)) return;
  auto model = read_model(kQuantised);
  REQUIRE_MESSAGE(model, message_of(model));
  const TemporaryFolder out;
  const auto artifact = converted(*model, "auto", out.path());
  REQUIRE_MESSAGE(artifact, message_of(artifact));
  CHECK(fs::file_size(out.path() / artifact->entry) == fs::file_size(kQuantised));
  CHECK(opened(out.path() / "vocab.gguf").array("tokenizer.ggml.tokens")->count == 49152);

  const TemporaryFolder again;
  const auto refused = quantise(out.path() / artifact->entry, "q4_0", again.path());
  REQUIRE(!refused);
  CHECK(refused.error().code == ErrorCode::unsupported);
}
