// Safetensors files and folders that are broken on purpose.
#include "formats/safetensors.h"

#include <sys/stat.h>

#include "attacks/refused.h"
#include "formats/huggingface.h"
#include "support/bytes.h"

using namespace strop;
using namespace strop::test;
using namespace strop::formats;

namespace {

const std::string kData(16, '\1');

Result<std::vector<SafeTensor>> read(const std::string& bytes) {
  const TemporaryFolder folder;
  STROP_TRY(const MappedFile file, MappedFile::open(folder.write("m.safetensors", bytes)));
  return read_safetensors(file);
}

void refused(const std::string& header, const std::string& data = kData) {
  CAPTURE(header);
  const auto tensors = read(safetensors(header, data));
  REQUIRE_FALSE(tensors);
  CHECK(name_of(tensors.error().code) == "corrupt");
}

std::string entry(std::string_view name, std::string_view type, std::string_view shape,
                  std::string_view offsets) {
  return str("\"", name, R"(":{"dtype":")", type, R"(","shape":)", shape, R"(,"data_offsets":)",
             offsets, "}");
}

const std::string kRight = "{" + entry("a", "F32", "[4]", "[0,16]") + "}";

}  // namespace

TEST_CASE("safetensors: the file that the others are made from is right") {
  const auto tensors = read(safetensors(kRight, kData));
  REQUIRE(tensors);
  CHECK(tensors->size() == 1);
  CHECK(read(safetensors("{}", "")));
  CHECK(read(safetensors("{" + entry("a", "F32", "[]", "[0,4]") + "}", "abcd")));
}

TEST_CASE("safetensors: cut at every byte") {
  const std::string whole = safetensors(kRight, kData);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(read(whole.substr(0, size)));
  }
}

TEST_CASE("safetensors: header too long, for the file and for the limit") {
  check_refused(read(raw(100'000'001ull) + kRight), ErrorCode::corrupt, "header length");
  check_refused(read(raw(~0ull) + kRight), ErrorCode::corrupt, "header length");
  check_refused(read(raw(99'999'999ull) + kRight), ErrorCode::corrupt, "header");
}

TEST_CASE("safetensors: headers that are no object, no JSON, no UTF-8, too deep") {
  for (const std::string header :
       {"", " {}", "[]", "null", "{", "{}{}", "{\"a\":}", "{\"\xff\":1}"})
    CHECK_FALSE(read(safetensors(header, "")));
  CHECK_FALSE(read(safetensors("{\"a\":" + std::string(100'000, '['), "")));
}

TEST_CASE("safetensors: a key twice") {
  CHECK_FALSE(read(safetensors(
      "{" + entry("a", "F32", "[4]", "[0,16]") + "," + entry("a", "F32", "[2]", "[0,8]") + "}",
      kData)));
}

TEST_CASE("safetensors: gaps, overlaps and bytes that belong to no tensor") {
  refused("{" + entry("a", "F32", "[2]", "[0,8]") + "," + entry("b", "F32", "[1]", "[12,16]") +
          "}");
  refused("{" + entry("a", "F32", "[3]", "[0,12]") + "," + entry("b", "F32", "[2]", "[8,16]") +
          "}");
  refused("{" + entry("a", "F32", "[4]", "[0,16]") + "," + entry("b", "F32", "[4]", "[0,16]") +
          "}");
  refused("{" + entry("a", "F32", "[3]", "[4,16]") + "}");
  refused(kRight, kData + "x");
}

TEST_CASE("safetensors: shapes that overflow or do not match") {
  refused("{" + entry("a", "F32", "[4294967296,4294967296]", "[0,16]") + "}");
  refused("{" + entry("a", "F32", "[4611686018427387905]", "[0,4]") + "}", "abcd");
  refused("{" + entry("a", "F32", "[3]", "[0,16]") + "}");
  refused("{" + entry("a", "F64", "[4]", "[0,16]") + "}");
  refused("{" + entry("a", "F32", "[-4]", "[0,16]") + "}");
  refused("{" + entry("a", "F32", "[4.0]", "[0,16]") + "}");
  refused("{" + entry("a", "F32", "[1,1,1,1,1,1,1,1,4]", "[0,16]") + "}");
}

TEST_CASE("safetensors: offsets that run backwards, past the end or are no offsets") {
  for (const char* offsets : {"[16,0]", "[0,17]", "[0]", "[0,16,16]", "[0,18446744073709551615]",
                              "[-1,16]", "[0,\"16\"]", "{}", "null"})
    refused("{" + entry("a", "F32", "[4]", offsets) + "}");
}

TEST_CASE("safetensors: unknown types, missing and additional fields") {
  refused("{" + entry("a", "F31", "[4]", "[0,16]") + "}");
  refused(R"({"a":{"dtype":1,"shape":[4],"data_offsets":[0,16]}})");
  refused(R"({"a":{"dtype":"F32","shape":[4]}})");
  refused(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16],"code":"x"}})");
  refused(R"({"a":[]})");
}

TEST_CASE("safetensors folder: a missing shard is named") {
  const TemporaryFolder folder;
  folder.write("model.safetensors.index.json",
               R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
  folder.write("one.safetensors", safetensors(kRight, kData));
  const auto model = read_safetensors_folder(folder.path());
  check_refused(model, ErrorCode::not_found, "path");
  CHECK(model.error().value == "two.safetensors");
}

TEST_CASE("safetensors folder: shards outside of the folder, through paths and links") {
  const TemporaryFolder outside, folder;
  const auto secret = outside.write("secret.safetensors", safetensors(kRight, kData));
  for (const std::string& shard :
       {std::string("../secret.safetensors"), secret.string(), std::string("x/y.safetensors")}) {
    folder.write("model.safetensors.index.json", str(R"({"weight_map":{"a":")", shard, "\"}}"));
    CHECK_FALSE(read_safetensors_folder(folder.path()));
  }
  std::filesystem::remove(folder.path() / "model.safetensors.index.json");
  std::filesystem::create_symlink(secret, folder.path() / "model.safetensors");
  check_refused(read_safetensors_folder(folder.path()), ErrorCode::invalid_input, "path");
}

TEST_CASE("safetensors folder: a tensor in two shards, or in another than promised") {
  const TemporaryFolder folder;
  folder.write("one.safetensors", safetensors(kRight, kData));
  folder.write("two.safetensors", safetensors(kRight, kData));
  folder.write("model.safetensors.index.json",
               R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
  CHECK_FALSE(read_safetensors_folder(folder.path()));
  folder.write("two.safetensors",
               safetensors("{" + entry("b", "F32", "[4]", "[0,16]") + "}", kData));
  CHECK(read_safetensors_folder(folder.path()));
}

TEST_CASE("safetensors folder: a pipe in place of weights does not block") {
  const TemporaryFolder folder;
  REQUIRE(::mkfifo((folder.path() / "model.safetensors").c_str(), 0600) == 0);
  check_refused(read_safetensors_folder(folder.path()), ErrorCode::invalid_input, "path");
}

TEST_CASE("folder: weights that can carry code are refused, and named") {
  for (const char* name : {"pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl",
                           "model.h5", "model.keras", "weights.npy"}) {
    CAPTURE(name);
    const TemporaryFolder folder;
    folder.write(name, "anything");
    const auto result = refuse_pickles(folder.path());
    REQUIRE_FALSE(result);
    CHECK(result.error().code == ErrorCode::unsupported);
    CHECK(result.error().value == name);
  }
}
