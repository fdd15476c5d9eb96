#include "arrays.h"

#include <archive.h>
#include <archive_entry.h>

#include <memory>
#include <set>

#include "core/utf8.h"
#include "formats/streamed_file.h"

namespace fs = std::filesystem;

namespace strop::data {
namespace {

using namespace formats;

constexpr std::size_t kMaxArrays = 1024;
constexpr std::size_t kMaxName = 256;
constexpr std::size_t kPiece = 1 << 20;

Error refuse(ErrorCode code, const std::string& what, const std::string& field,
             const std::string& rule, const std::string& value = {}) {
  return Error{
      .code = code, .message = str("[data] ", what, ": ", rule), .field = field, .value = value};
}

struct FreeArchive {
  void operator()(archive* zip) const { archive_read_free(zip); }
};

// The entries of an npz file, one after the other.
class Zip {
 public:
  Zip(std::string_view bytes, const std::string& what) : what_(what), zip_(archive_read_new()) {
    archive_read_support_format_zip_seekable(zip_.get());  // by its directory
    opened_ = archive_read_open_memory(zip_.get(), bytes.data(), bytes.size()) == ARCHIVE_OK;
  }

  // False at the end. Sets name() to the array's.
  Result<bool> next() {
    if (!opened_) return failed();
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(zip_.get(), &entry);
    if (status == ARCHIVE_EOF) return false;
    if (status != ARCHIVE_OK) return failed();
    const char* const path = archive_entry_pathname(entry);
    name_ = path ? path : "";
    const bool regular = archive_entry_filetype(entry) == AE_IFREG;
    if (!regular || !name_.ends_with(".npy") || name_.size() == 4 || name_.size() > kMaxName ||
        invalid_utf8(name_))
      return refuse(ErrorCode::invalid_input, what_, "name",
                    str("an npz file must hold files NAME.npy and nothing else, but holds ",
                        repaired_utf8(std::string_view(name_).substr(0, 80))));
    name_.resize(name_.size() - 4);
    if (!names_.insert(name_).second)
      return refuse(ErrorCode::corrupt, what_, name_, str("the array ", name_, " is there twice"));
    if (names_.size() > kMaxArrays)
      return refuse(ErrorCode::invalid_input, what_, "count",
                    str("there are more than ", kMaxArrays, " arrays"));
    return true;
  }
  const std::string& name() const { return name_; }

  // The next bytes of the entry, at most `out`'s size; fewer only at its end.
  Result<std::size_t> read(std::string& out) {
    std::size_t got = 0;
    while (got < out.size()) {
      const la_ssize_t part = archive_read_data(zip_.get(), out.data() + got, out.size() - got);
      if (part < 0) return failed();
      if (part == 0) break;
      got += static_cast<std::size_t>(part);
    }
    return got;
  }

 private:
  Error failed() const {
    const char* const words = archive_error_string(zip_.get());
    Error error = refuse(
        ErrorCode::corrupt, what_, "zip",
        str("the npz file cannot be unpacked: ", repaired_utf8(words ? words : "no reason given")));
    error.hint = "Save it again with numpy.savez.";
    return error;
  }
  const std::string& what_;
  std::unique_ptr<archive, FreeArchive> zip_;
  bool opened_ = false;
  std::string name_;
  std::set<std::string> names_;
};

bool is_zip(std::string_view bytes) {
  return bytes.starts_with("PK\x03\x04") || bytes.starts_with("PK\x05\x06");
}

Result<ArrayHeader> checked(const NpyHeader& npy, const std::string& name,
                            const std::string& what) {
  const auto type = npy_type(npy.descr);
  const std::string word = npy_word(npy.descr);
  if (!type)
    return Error{.code = ErrorCode::unsupported,
                 .message = str("[data] ", what, ": ", name, " is ", word,
                                ", must be f32, f16, i64, i32, i8, u8 or boolean, little-endian"),
                 .hint = "Save it as the type that the model takes: array.astype(numpy.float32).",
                 .field = name,
                 .value = word};
  if (npy.fortran_order && npy.shape.size() > 1)
    return Error{
        .code = ErrorCode::unsupported,
        .message = str("[data] ", what, ": ", name, " is in Fortran order, must be in C order"),
        .hint = "Save numpy.ascontiguousarray(array).",
        .field = name};
  const auto bytes = array_bytes(*type, npy.shape);
  if (!bytes || *bytes > kMaxArrayBytes)
    return refuse(ErrorCode::invalid_input, what, name,
                  str(name, " must be at most ", kMaxArrayBytes, " bytes"));
  return ArrayHeader{.name = name, .type = *type, .shape = npy.shape, .bytes = *bytes};
}

Error wrong_size(const std::string& what, const ArrayHeader& header) {
  return refuse(
      ErrorCode::corrupt, what, header.name,
      str(header.name, " does not hold the ", header.bytes, " bytes that its shape says"));
}

Result<ArrayHeader> header_of_npy(const MappedFile& file, const std::string& what,
                                  const std::string& stem, std::uint64_t& offset) {
  STROP_TRY(const NpyHeader npy, read_npy_header(file.bytes(), what));
  STROP_TRY(ArrayHeader header, checked(npy, stem, what));
  offset = npy.data_offset;
  if (file.bytes().size() - offset != header.bytes) return wrong_size(what, header);
  return header;
}

// Reads the entry's beginning; what follows the array's header in it stays in `data`.
Result<ArrayHeader> header_of_entry(Zip& zip, const std::string& what, std::string& data) {
  data.resize(kMaxNpyHeader);
  STROP_TRY(const std::size_t got, zip.read(data));
  data.resize(got);
  STROP_TRY(const NpyHeader npy, read_npy_header(data, str(what, ", ", zip.name())));
  data.erase(0, npy.data_offset);
  return checked(npy, zip.name(), what);
}

// Exactly as many bytes as the shape says, whatever the archive claims.
Result<void> unpack(Zip& zip, const std::string& what, const ArrayHeader& header, std::string data,
                    const fs::path& out) {
  StreamedFile file;
  STROP_CHECK(file.begin(out));
  for (std::uint64_t written = 0;;) {
    written += data.size();
    if (written > header.bytes) return wrong_size(what, header);
    STROP_CHECK(file.write(data));
    data.resize(kPiece);
    STROP_TRY(const std::size_t got, zip.read(data));
    data.resize(got);
    if (got > 0) continue;
    if (written != header.bytes) return wrong_size(what, header);
    return file.finish();
  }
}

}  // namespace

Result<std::vector<ArrayHeader>> array_headers(const MappedFile& file, const std::string& what,
                                               const std::string& stem) {
  if (!is_zip(file.bytes())) {
    std::uint64_t offset = 0;
    STROP_TRY(ArrayHeader header, header_of_npy(file, what, stem, offset));
    return std::vector{std::move(header)};
  }
  std::vector<ArrayHeader> headers;
  Zip zip(file.bytes(), what);
  std::string data;
  std::uint64_t total = 0;
  while (true) {
    STROP_TRY(const bool more, zip.next());
    if (!more) break;
    STROP_TRY(ArrayHeader header, header_of_entry(zip, what, data));
    total += header.bytes;
    if (total > kMaxUnpackedBytes)
      return refuse(ErrorCode::invalid_input, what, "size",
                    str("its arrays must be at most ", kMaxUnpackedBytes, " bytes in all"));
    headers.push_back(std::move(header));
  }
  if (headers.empty()) return refuse(ErrorCode::invalid_input, what, "count", "it holds no array");
  return headers;
}

Result<std::vector<Array>> open_arrays(const fs::path& folder, const std::string& name,
                                       const std::string& stem, const fs::path& scratch) {
  STROP_TRY(MappedFile file, MappedFile::open_inside(folder, name));
  std::vector<Array> arrays;
  if (!is_zip(file.bytes())) {
    std::uint64_t offset = 0;
    STROP_TRY(ArrayHeader header, header_of_npy(file, name, stem, offset));
    arrays.push_back({std::move(header), std::move(file), offset});
    return arrays;
  }
  Zip zip(file.bytes(), name);
  std::string data;
  while (true) {
    STROP_TRY(const bool more, zip.next());
    if (!more) break;
    STROP_TRY(ArrayHeader header, header_of_entry(zip, name, data));
    if (header.bytes == 0)
      return refuse(ErrorCode::invalid_input, name, header.name, str(header.name, " is empty"));
    const fs::path out = scratch / str("array-", arrays.size());
    STROP_CHECK(unpack(zip, name, header, std::move(data), out));
    STROP_TRY(MappedFile unpacked, MappedFile::open(out));
    arrays.push_back({std::move(header), std::move(unpacked), 0});
  }
  return arrays;
}

}  // namespace strop::data
