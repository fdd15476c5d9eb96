#include "measure/reference_store.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "core/files.h"
#include "core/parallel.h"

namespace strop::measure {
namespace {

// Layout, little-endian: magic, u32 version, u32 vocabulary, u32 top, u32 tail, u64 rows, u64 seed,
// 64 hex digits; the rows; SHA-256 of all before as 64 hex digits. A row: f32 nll, f32 tail mass,
// the first 64 log p of the top as f32, f32 step, a u16 code for each other log p (steps below the
// 64th), top ids, tail ids, tail f32 log p. An id has two bytes where the vocabulary fits them,
// else four.
constexpr char kMagic[9] = "STROPREF";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kDigest = 64;
constexpr std::size_t kHeaderBytes = 8 + 4 * 4 + 2 * 8 + kDigest;
constexpr std::uint32_t kMaxVocabulary = 1u << 24;
constexpr float kCodes = 65535;
constexpr std::uint32_t kExact = 64;

std::uint32_t exact_entries(const CompactShape& shape) { return std::min(shape.top, kExact); }

std::size_t bytes_per_id(const CompactShape& shape) {
  return shape.vocabulary_size <= 65536 ? 2 : 4;
}

void put(std::string& out, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
}
void put(std::string& out, float value) { put(out, std::bit_cast<std::uint32_t>(value), 4); }

// Takes values off the front of bytes whose length was checked.
class Taker {
 public:
  explicit Taker(std::string_view bytes) : bytes_(bytes) {}
  template <std::size_t kBytes>
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < kBytes; ++i)
      value |= std::uint64_t{static_cast<unsigned char>(bytes_[i])} << (8 * i);
    bytes_.remove_prefix(kBytes);
    return value;
  }
  std::uint32_t word() { return static_cast<std::uint32_t>(number<4>()); }
  float real() { return std::bit_cast<float>(word()); }
  std::string text(std::size_t bytes) {
    std::string out(bytes_.substr(0, bytes));
    bytes_.remove_prefix(bytes);
    return out;
  }

 private:
  std::string_view bytes_;
};

std::string header_bytes(const ReferenceHeader& header) {
  std::string out(kMagic, 8);
  for (std::uint32_t word :
       {kVersion, header.shape.vocabulary_size, header.shape.top, header.shape.tail})
    put(out, word, 4);
  put(out, header.rows, 8);
  put(out, header.seed, 8);
  return out + header.evaluation_digest;
}

std::string row_bytes(const CompactRow& row, const CompactShape& shape) {
  const std::size_t id_bytes = bytes_per_id(shape);
  const std::uint32_t exact = exact_entries(shape);
  const float first = row.top_log_p[exact - 1];
  const float step = (first - row.top_log_p.back()) / kCodes;
  std::string out;
  out.reserve(bytes_per_row(shape));
  put(out, row.nll);
  put(out, row.tail_mass);
  for (std::uint32_t i = 0; i < exact; ++i) put(out, row.top_log_p[i]);
  put(out, step);
  for (std::uint32_t i = exact; i < shape.top; ++i) {
    const float code = step > 0 ? std::round((first - row.top_log_p[i]) / step) : 0;
    put(out, static_cast<std::uint64_t>(std::min(code, kCodes)), 2);
  }
  for (std::uint32_t id : row.top_ids) put(out, id, id_bytes);
  for (std::uint32_t id : row.tail_ids) put(out, id, id_bytes);
  for (float log_p : row.tail_log_p) put(out, log_p);
  return out;
}

CompactRow row_of(std::string_view bytes, const CompactShape& shape) {
  const std::uint32_t exact = exact_entries(shape);
  Taker taker(bytes);
  const auto ids = [&](std::uint32_t count) {
    std::vector<std::uint32_t> out(count);
    if (bytes_per_id(shape) == 2)
      for (std::uint32_t& id : out) id = static_cast<std::uint32_t>(taker.number<2>());
    else
      for (std::uint32_t& id : out) id = taker.word();
    return out;
  };
  CompactRow row{.nll = taker.real(), .tail_mass = taker.real()};
  row.top_log_p.resize(shape.top);
  for (std::uint32_t i = 0; i < exact; ++i) row.top_log_p[i] = taker.real();
  const float first = row.top_log_p[exact - 1], step = taker.real();
  for (std::uint32_t i = exact; i < shape.top; ++i)
    row.top_log_p[i] = first - step * static_cast<float>(taker.number<2>());
  row.top_ids = ids(shape.top);
  row.tail_ids = ids(shape.tail);
  row.tail_log_p.resize(shape.tail);
  for (float& log_p : row.tail_log_p) log_p = taker.real();
  return row;
}

// The first rule the row breaks; empty: none.
std::string broken_rule(const CompactRow& row, const CompactShape& shape) {
  const auto is_log_p = [](float x) { return std::isfinite(x) && x <= 1e-4f; };
  const auto is_id = [&](std::uint32_t id) { return id < shape.vocabulary_size; };
  if (!std::isfinite(row.nll) || row.nll < -1e-4f) return "a negative log-likelihood is below 0";
  if (!(row.tail_mass >= 0 && row.tail_mass <= 1.001f)) return "a tail mass is outside 0 to 1";
  if (!std::all_of(row.top_log_p.begin(), row.top_log_p.end(), is_log_p) ||
      !std::all_of(row.tail_log_p.begin(), row.tail_log_p.end(), is_log_p))
    return "a log-probability is not finite or above 0";
  if (!std::is_sorted(row.top_log_p.rbegin(), row.top_log_p.rend()))
    return "log-probabilities do not fall";
  if (!std::all_of(row.top_ids.begin(), row.top_ids.end(), is_id) ||
      !std::all_of(row.tail_ids.begin(), row.tail_ids.end(), is_id))
    return "a token id is outside the vocabulary";
  return {};
}

std::string broken_rule(const ReferenceHeader& header) {
  const CompactShape& shape = header.shape;
  if (shape.vocabulary_size < 1 || shape.vocabulary_size > kMaxVocabulary)
    return "the vocabulary is empty or larger than 2^24";
  if (shape.top < 1 || shape.top > shape.vocabulary_size || shape.tail > shape.vocabulary_size)
    return "a row keeps no entry or more than the vocabulary has";
  if (header.rows < 1 || header.rows > (std::uint64_t{1} << 40))
    return "there are no rows or too many";
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (header.evaluation_digest.size() != kDigest ||
      !std::all_of(header.evaluation_digest.begin(), header.evaluation_digest.end(), is_hex))
    return "the digest of the evaluation is not 64 hex digits";
  return {};
}

}  // namespace

std::size_t bytes_per_row(const CompactShape& shape) {
  const std::size_t exact = exact_entries(shape);
  return 12 + exact * 4 + (shape.top - exact) * 2 + shape.top * bytes_per_id(shape) +
         shape.tail * (bytes_per_id(shape) + 4);
}

ReferenceWriter::ReferenceWriter(std::filesystem::path path, const ReferenceHeader& header)
    : path_(std::move(path)), header_(header), file_(std::fopen(aside().c_str(), "wb")) {}

ReferenceWriter::~ReferenceWriter() {
  if (!file_) return;
  std::error_code ignored;
  std::filesystem::remove(aside(), ignored);
}

std::filesystem::path ReferenceWriter::aside() const { return path_.string() + ".part"; }

Result<ReferenceWriter> ReferenceWriter::create(const std::filesystem::path& path,
                                                const ReferenceHeader& header) {
  const std::string rule = broken_rule(header);
  STROP_ASSERT(rule.empty(), "reference store: ", rule);
  ReferenceWriter writer(path, header);
  if (!writer.file_) return file_error("create", writer.aside(), errno);
  STROP_CHECK(writer.write(header_bytes(header)));
  return writer;
}

Result<void> ReferenceWriter::write(const std::string& bytes) {
  hash_->update(bytes);
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size())
    return file_error("write", aside(), errno);
  return {};
}

Result<void> ReferenceWriter::append(const CompactRow& row) {
  STROP_ASSERT(written_ < header_.rows, "more than ", header_.rows, " rows");
  STROP_ASSERT(row.top_ids.size() == header_.shape.top && row.tail_ids.size() == header_.shape.tail,
               "a row of another shape");
  ++written_;
  return write(row_bytes(row, header_.shape));
}

Result<void> ReferenceWriter::finish() {
  if (written_ != header_.rows)
    return Error{ErrorCode::invalid_input, str("[measure] the quality reference must have ",
                                               header_.rows, " rows, but got ", written_)};
  const std::string digest = hash_->hex();
  if (std::fwrite(digest.data(), 1, digest.size(), file_.get()) != digest.size() ||
      std::fflush(file_.get()) != 0)
    return file_error("write", aside(), errno);
  STROP_CHECK(sync_file(aside()));
  std::error_code error;
  std::filesystem::rename(aside(), path_, error);
  if (error) return file_error("rename", aside(), error.value());
  file_.reset();
  const std::filesystem::path folder = path_.parent_path();
  return sync_folder(folder.empty() ? "." : folder);
}

ReferenceReader::ReferenceReader(std::filesystem::path path, File file)
    : path_(std::move(path)), file_(std::move(file)) {}

Error ReferenceReader::corrupt(const std::string& rule) const {
  return {ErrorCode::corrupt, str("[measure] the quality reference ", path_.string(), ": ", rule),
          "Remove it: the next run makes it again"};
}

Result<ReferenceReader> ReferenceReader::open(const std::filesystem::path& path) {
  ReferenceReader reader(path, File(std::fopen(path.c_str(), "rb")));
  if (!reader.file_) return file_error("open", path, errno);
  STROP_CHECK(reader.read_header());
  STROP_CHECK(reader.check_digest());
  std::fseek(reader.file_.get(), static_cast<long>(kHeaderBytes), SEEK_SET);
  return reader;
}

Result<void> ReferenceReader::read_header() {
  std::string bytes(kHeaderBytes, '\0');
  if (std::fread(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size())
    return corrupt("it is shorter than its header");
  Taker taker(bytes);
  if (taker.text(8) != std::string(kMagic, 8)) return corrupt("it is not a quality reference");
  if (const auto version = taker.word(); version != kVersion)
    return corrupt(str("its version must be ", kVersion, ", but is ", version));
  header_.shape = {.vocabulary_size = taker.word(), .top = taker.word(), .tail = taker.word()};
  header_.rows = taker.number<8>();
  header_.seed = taker.number<8>();
  header_.evaluation_digest = taker.text(kDigest);
  if (const std::string rule = broken_rule(header_); !rule.empty()) return corrupt(rule);

  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path_, error);
  if (error) return file_error("read", path_, error.value());
  // In double: the largest allowed shape and count do not overflow it, and real sizes are exact.
  const double wanted =
      static_cast<double>(kHeaderBytes + kDigest) +
      static_cast<double>(header_.rows) * static_cast<double>(bytes_per_row(header_.shape));
  if (static_cast<double>(size) != wanted)
    return corrupt(str("it must have ", wanted, " bytes, but has ", size));
  return {};
}

Result<void> ReferenceReader::check_digest() {
  std::rewind(file_.get());
  Sha256 hash;
  std::uint64_t left = kHeaderBytes + header_.rows * bytes_per_row(header_.shape);
  std::string bytes(1 << 18, '\0');
  while (left > 0) {
    const std::size_t wanted = std::min<std::uint64_t>(left, bytes.size());
    if (std::fread(bytes.data(), 1, wanted, file_.get()) != wanted)
      return corrupt("it cannot be read");
    hash.update(bytes.data(), wanted);
    left -= wanted;
  }
  std::string digest(kDigest, '\0');
  if (std::fread(digest.data(), 1, kDigest, file_.get()) != kDigest || digest != hash.hex())
    return corrupt("its digest is wrong");
  return {};
}

Result<std::vector<CompactRow>> ReferenceReader::next(std::size_t count) {
  if (count > header_.rows - read_)
    return Error{ErrorCode::invalid_input, str("[measure] the quality reference has ", header_.rows,
                                               " rows, and no ", count, " after ", read_)};
  const std::size_t row_bytes = bytes_per_row(header_.shape);
  std::string bytes(count * row_bytes, '\0');
  if (std::fread(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size())
    return corrupt("it cannot be read");
  read_ += count;
  std::vector<CompactRow> rows(count);
  std::vector<std::string> rules(count);
  for_each_parallel(count, [&](std::size_t i) {
    rows[i] = row_of(std::string_view(bytes).substr(i * row_bytes, row_bytes), header_.shape);
    rules[i] = broken_rule(rows[i], header_.shape);
  });
  for (const std::string& rule : rules)
    if (!rule.empty()) return corrupt(rule);
  return rows;
}

}  // namespace strop::measure
