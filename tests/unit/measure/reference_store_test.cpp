#include "measure/reference_store.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "unit/measure/logits.h"

using namespace strop;
using namespace strop::measure;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / str("strop-measure-store-", ::getpid());
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
};

const CompactShape kShape{.vocabulary_size = 500, .top = 100, .tail = 8};
const ReferenceHeader kHeader{kShape, 3, 11, std::string(64, 'a')};

std::vector<CompactRow> rows() {
  Random random(1);
  std::vector<CompactRow> out;
  for (std::uint64_t i = 0; i < kHeader.rows; ++i) {
    const auto p = sample::row(kShape.vocabulary_size, random);
    out.push_back(compact(p, *summarise_row(p), 3, kShape, i));
  }
  return out;
}

void write(const fs::path& path) {
  auto writer = ReferenceWriter::create(path, kHeader);
  REQUIRE(writer);
  for (const CompactRow& row : rows()) REQUIRE(writer->append(row));
  REQUIRE(writer->finish());
}

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void put(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// The file with bytes changed and its digest made right again: what an attacker would write.
std::string forged(std::string bytes, std::size_t offset, const std::string& change) {
  bytes.replace(offset, change.size(), change);
  const std::string body = bytes.substr(0, bytes.size() - 64);
  return body + sha256_hex(body);
}

// The first error of opening the file and reading all rows.
std::optional<ErrorCode> first_error(const fs::path& path) {
  auto reader = ReferenceReader::open(path);
  if (!reader) return reader.error().code;
  if (auto rows = reader->next(reader->header().rows); !rows) return rows.error().code;
  return {};
}

}  // namespace

TEST_CASE("rows come back as written, log-probabilities to half a step") {
  const Folder folder;
  write(folder.path / "reference");
  auto reader = ReferenceReader::open(folder.path / "reference");
  REQUIRE(reader);
  CHECK(reader->header() == kHeader);
  const auto written = rows();
  CHECK(reader->next(written.size() + 1).error().code == ErrorCode::invalid_input);
  auto read = reader->next(1);
  REQUIRE(read);
  auto others = reader->next(written.size() - 1);
  REQUIRE(others);
  read->insert(read->end(), others->begin(), others->end());
  for (std::size_t at = 0; at < written.size(); ++at) {
    const CompactRow& row = written[at];
    CompactRow& back = (*read)[at];
    const float step = (row.top_log_p[63] - row.top_log_p.back()) / 65535;
    for (std::size_t i = 0; i < row.top_log_p.size(); ++i)
      CHECK(std::abs(back.top_log_p[i] - row.top_log_p[i]) <= 0.51f * step + 2e-6f);
    back.top_log_p = row.top_log_p;
    CHECK(back == row);
  }
  CHECK(reader->next(1).error().code == ErrorCode::invalid_input);
}

TEST_CASE("a row takes at most a twentieth of two bytes per logit") {
  CHECK(bytes_per_row(shape_for(49152)) == 4620);
  CHECK(bytes_per_row(shape_for(49152)) * 20 <= 2 * 49152);
  CHECK(bytes_per_row(shape_for(151936)) * 20 <= 2 * 151936);
}

TEST_CASE("a store that was not finished leaves nothing") {
  const Folder folder;
  {
    auto writer = ReferenceWriter::create(folder.path / "reference", kHeader);
    REQUIRE(writer);
    REQUIRE(writer->append(rows()[0]));
    CHECK(writer->finish().error().code == ErrorCode::invalid_input);
  }
  CHECK(fs::is_empty(folder.path));
  CHECK(ReferenceWriter::create(folder.path / "no" / "folder", kHeader).error().code ==
        ErrorCode::not_found);
}

TEST_CASE("every damaged byte and every truncation is noticed") {
  const Folder folder;
  const fs::path path = folder.path / "reference", damaged = folder.path / "damaged";
  write(path);
  const std::string good = bytes_of(path);
  CHECK_FALSE(first_error(path));
  for (std::size_t i = 0; i < good.size(); i += 7) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x41);
    put(damaged, bad);
    CHECK(first_error(damaged) == ErrorCode::corrupt);
  }
  for (std::size_t length = 0; length < good.size(); length += 13) {
    put(damaged, good.substr(0, length));
    CHECK(first_error(damaged) == ErrorCode::corrupt);
  }
  put(damaged, good + "x");
  CHECK(first_error(damaged) == ErrorCode::corrupt);
}

TEST_CASE("a forged file with a right digest is refused by its values") {
  const Folder folder;
  const fs::path path = folder.path / "reference", damaged = folder.path / "damaged";
  write(path);
  const std::string good = bytes_of(path);
  constexpr std::size_t kRows = 104;  // bytes of the header
  const std::string nan("\x00\x00\xc0\x7f", 4), infinity("\x00\x00\x80\x7f", 4),
      huge("\xff\xff\xff\xff", 4);
  const std::string two("\x00\x00\x00\x40", 4);
  const std::size_t step = kRows + 8 + 4 * 64, ids = step + 4 + 2 * (kShape.top - 64);
  const std::size_t tail_log_p = ids + 2 * (kShape.top + kShape.tail);
  struct Forgery {
    std::size_t offset;
    std::string bytes;
  };
  for (const auto& [offset, bytes] :
       {Forgery{12, huge}, Forgery{16, huge}, Forgery{20, huge}, Forgery{12, std::string(4, '\0')},
        Forgery{24, huge + huge}, Forgery{40, "ZZ"}, Forgery{kRows, nan}, Forgery{kRows + 4, two},
        Forgery{kRows + 8, two}, Forgery{step, infinity}, Forgery{ids, "\xff\xff"},
        Forgery{ids + 2 * kShape.top, "\xf4\x01"}, Forgery{tail_log_p, nan}}) {
    CAPTURE(offset);
    put(damaged, forged(good, offset, bytes));
    CHECK(first_error(damaged) == ErrorCode::corrupt);
  }
  CHECK(first_error(folder.path / "absent") != std::nullopt);
}
