// GGUF files that are broken on purpose, one per rule of the reader, replicas of published findings
// among them.
#include "formats/gguf.h"

#include "attacks/refused.h"
#include "support/bytes.h"

using namespace strop;
using namespace strop::test;
using formats::GgufFile;

namespace {

constexpr std::uint32_t kU8 = 0, kU32 = 4, kBool = 7, kString = 8, kArray = 9, kU64 = 10;

void refused(const std::string& bytes, std::string_view field,
             ErrorCode code = ErrorCode::corrupt) {
  const TemporaryFolder folder;
  const auto file = GgufFile::open(folder.write("m.gguf", bytes));
  check_refused(file, code, field);
  CHECK(file.error().offset.has_value());
}

void refused(const GgufParts& parts, std::string_view field) { refused(parts.bytes(), field); }

bool accepted(const std::string& bytes) {
  const TemporaryFolder folder;
  return static_cast<bool>(GgufFile::open(folder.write("m.gguf", bytes)));
}

// The right file with one more metadata entry.
GgufParts with_entry(std::string entry) {
  GgufParts parts;
  parts.metadata.push_back(std::move(entry));
  return parts;
}

GgufParts with_tensor(GgufTensorEntry tensor) {
  GgufParts parts;
  parts.tensors = {std::move(tensor)};
  return parts;
}

std::string array_of(std::uint32_t type, std::uint64_t count) { return raw(type) + raw(count); }

}  // namespace

TEST_CASE("gguf: the file that the others are made from is right") {
  CHECK(accepted(GgufParts().bytes()));
}

TEST_CASE("gguf: an empty file, another format, another version") {
  refused(std::string(), "path");
  GgufParts parts;
  parts.magic = "GGML";
  refused(parts, "magic");
  parts = {};
  for (std::uint32_t version : {0u, 1u, 4u, 0x03000000u}) {
    parts.version = version;
    refused(parts.bytes(), "version", ErrorCode::unsupported);
  }
}

TEST_CASE("gguf: cut at every byte of the header") {
  const std::string whole = GgufParts().bytes();
  for (std::size_t size = 1; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(accepted(whole.substr(0, size)));
  }
}

TEST_CASE("gguf: counts of entries that the file cannot hold") {
  const std::string start = std::string("GGUF") + raw(3u);
  refused(start + raw(~0ull) + raw(0ull), "tensor_count");
  refused(start + raw(1ull << 60) + raw(0ull), "tensor_count");
  refused(start + raw(0ull) + raw(~0ull), "metadata_count");
  refused(start + raw(0ull) + raw(0xffffffffull), "metadata_count");
}

TEST_CASE("gguf: strings longer than the file, than the limit, than 64 bits") {
  for (std::uint64_t length : {1'000'000'000ull, 1ull << 63, ~0ull}) {
    CAPTURE(length);
    refused(with_entry(gguf_entry("k", kString, raw(length))), "k");
  }
  refused(std::string("GGUF") + raw(3u) + raw(0ull) + raw(1ull) + raw(~0ull) + std::string(64, 'k'),
          "metadata key");
}

TEST_CASE("gguf: arrays of more elements than the file holds") {
  for (std::uint32_t type : {kU8, kU32, kString, kU64}) {
    for (std::uint64_t count : {900'000'000ull, 1ull << 61, (1ull << 62) + 1, ~0ull}) {
      CAPTURE(type);
      CAPTURE(count);
      refused(with_entry(gguf_entry("k", kArray, array_of(type, count))), "k");
    }
  }
}

TEST_CASE("gguf: arrays of arrays and unknown value types") {
  refused(with_entry(gguf_entry("k", kArray, array_of(kArray, 1) + array_of(kU8, 0))), "k");
  refused(with_entry(gguf_entry("k", 13, raw(0ull))), "k");
  refused(with_entry(gguf_entry("k", ~0u, raw(0ull))), "k");
  refused(with_entry(gguf_entry("k", kArray, array_of(13, 1) + raw(0ull))), "k");
}

TEST_CASE("gguf: a boolean is 0 or 1") { refused(with_entry(gguf_entry("k", kBool, "\2")), "k"); }

TEST_CASE("gguf: keys and tensor names are there once and not empty") {
  refused(with_entry(gguf_entry("general.architecture", kU8, "\1")), "metadata key");
  refused(with_entry(gguf_entry("", kU8, "\1")), "metadata key");
  GgufParts parts;
  parts.tensors = {{.name = "t"}, {.name = "t", .offset = 32}};
  parts.data.assign(64, '\1');
  refused(parts, "tensor name");
  refused(with_tensor({.name = ""}), "tensor name");
}

TEST_CASE("gguf: an alignment that is no power of two, huge, zero or no number") {
  for (std::uint32_t alignment : {0u, 3u, 48u, 1u << 30, 1u << 21, ~0u}) {
    CAPTURE(alignment);
    refused(with_entry(gguf_entry("general.alignment", kU32, raw(alignment))), "general.alignment");
  }
  refused(with_entry(gguf_entry("general.alignment", kString, counted("32"))), "general.alignment");
}

TEST_CASE("gguf: tensors of no, five and very many dimensions") {
  refused(with_tensor({.shape = {}}), "n_dims");
  refused(with_tensor({.shape = {1, 1, 1, 1, 4}}), "n_dims");
  GgufParts parts;
  std::string bytes = parts.bytes();
  const std::size_t at = bytes.find(counted("t")) + 9;
  bytes.replace(at, 4, raw(~0u));
  refused(bytes, "n_dims");
}

TEST_CASE("gguf: shapes whose product or bytes overflow") {
  refused(with_tensor({.shape = {1ull << 32, 1ull << 32}}), "dimension");
  refused(with_tensor({.shape = {1ull << 63, 2}}), "dimension");
  refused(with_tensor({.shape = {1ull << 20, 1ull << 20, 1ull << 20, 16}}), "dimension");
  refused(with_tensor({.shape = {~0ull}}), "dimension");
  refused(with_tensor({.shape = {0}}), "dimension");
  refused(with_tensor({.shape = {1ull << 40}}), "tensor offset");
}

TEST_CASE("gguf: rows that are no multiple of the type's block") {
  refused(with_tensor({.shape = {33}, .type = 2}), "dimension");       // q4_0
  refused(with_tensor({.shape = {255}, .type = 12}), "dimension");     // q4_k
  refused(with_tensor({.shape = {128, 2}, .type = 14}), "dimension");  // q6_k
}

TEST_CASE("gguf: unknown and removed tensor types") {
  for (std::uint32_t type : {4u, 5u, 31u, 33u, 36u, 38u, 1000u, ~0u}) {
    CAPTURE(type);
    refused(with_tensor({.shape = {256}, .type = type}), "tensor type");
  }
}

TEST_CASE("gguf: data before, after and beyond the file") {
  refused(with_tensor({.offset = 1}), "tensor offset");
  refused(with_tensor({.offset = 32}), "tensor offset");
  refused(with_tensor({.offset = ~0ull - 31}), "tensor offset");
  refused(with_tensor({.shape = {5}}), "tensor offset");
  GgufParts parts;
  parts.data.clear();
  refused(parts, "tensor offset");
}

TEST_CASE("gguf: tensors that overlap") {
  GgufParts parts;
  parts.tensors = {{.name = "a", .shape = {16}}, {.name = "b", .shape = {4}, .offset = 32}};
  parts.data.assign(64, '\1');
  refused(parts, "tensor offset");
}
